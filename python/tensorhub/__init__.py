"""TensorHub inside a script: the task that is being run.

    import tensorhub
    tensorhub.hyper_parameters["learning_rate"]
    tensorhub.task["_id"]

Both are empty outside of a task. Standard library only; nothing is read before it is asked for.
"""

__all__ = ["hyper_parameters", "saved_result_keys", "task"]


def __getattr__(name):
    if name == "task":
        value = _decoded(_read_task())
    elif name == "hyper_parameters":
        value = _read_task().get("hyper_parameters")
        value = {key: _decoded(item) for key, item in value.items()} if isinstance(value, dict) else {}
    else:
        raise AttributeError("module 'tensorhub' has no attribute '%s'" % name)
    globals()[name] = value
    return value


def saved_result_keys():
    """Names of the values that the distributor wants back."""
    keys = _read_task().get("saved_result_keys")
    return [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []


def _read_task():
    import json
    import os

    path = os.environ.get("TENSORHUB_TASK_FILE")
    if not path:
        return {}
    with open(path, encoding="utf-8") as file:
        task = json.load(file)
    return task if isinstance(task, dict) else {}


def _decoded(value):
    """The Python value that an Extended JSON value stands for."""
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value:
        key = next(iter(value))
        decode = _WRAPPERS.get(key)
        if decode is not None:
            try:
                return decode(value[key])
            except (TypeError, ValueError, KeyError, OverflowError):
                pass  # an ordinary document with an unlucky key
    return {key: _decoded(item) for key, item in value.items()}


def _date(value):
    # Without a time zone, in UTC: what pymongo gave the scripts that this must run unchanged.
    import datetime

    if isinstance(value, dict):
        milliseconds = int(value["$numberLong"])
        return datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=milliseconds)
    text = value[:-1] + "+00:00" if value.endswith("Z") else value
    whole, point, rest = text.partition(".")
    if point:  # before Python 3.11 a fraction has three digits or six
        digits = rest[: len(rest) - 6]
        text = whole + "." + digits.ljust(6, "0")[:6] + rest[len(digits) :]
    date = datetime.datetime.fromisoformat(text)
    return date.astimezone(datetime.timezone.utc).replace(tzinfo=None)


def _binary(value):
    import base64

    return base64.b64decode(value["base64"], validate=True)


_WRAPPERS = {
    "$numberInt": int,
    "$numberLong": int,
    "$numberDouble": float,
    "$numberDecimal": float,
    "$oid": str,
    "$symbol": str,
    "$code": str,
    "$date": _date,
    "$binary": _binary,
    "$undefined": lambda value: None,
}
