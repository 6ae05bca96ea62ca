"""What a Python from 2.7 to 3.7 has of all this: hyper-parameters as global variables, and results taken from them.

Neither it nor what it uses may be newer than that, nor import the package, which is.
"""

import atexit
import json
import os
import sys
import types

TEXT = type(u"")
WHOLE = (int,) if sys.version_info[0] > 2 else (int, long)  # noqa: F821


def main(path, arguments):
    """Runs the script, and ends the process as it does."""
    path = os.path.abspath(path)
    module = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = __builtins__
    keep = sys.modules["__main__"]
    sys.modules["__main__"] = module
    sys.argv[:] = [path] + list(arguments[1:])
    if not sys.flags.ignore_environment or sys.version_info[0] == 2:
        sys.path.insert(0, os.path.dirname(path))
    begin(module.__dict__, path)
    return keep


def begin(names, path):
    """Runs the script in these global variables."""
    task = {}
    if os.environ.get("TENSORHUB_TASK_FILE"):
        with open(os.environ["TENSORHUB_TASK_FILE"], "rb") as file:
            task = json.loads(file.read().decode("utf-8"))
    parameters = task.get("hyper_parameters") or {}
    keys = [key for key in task.get("saved_result_keys") or [] if isinstance(key, TEXT)]
    absent = [name for name in parameters if not _is_plain(parameters[name]) or not _is_name(name)]
    version = "%d.%d" % sys.version_info[:2]
    words = "tensorhub: Python %s is older than 3.8, and `import tensorhub` does not work in it; " % version
    if absent:
        words += "these hyper-parameters are no global variables: %s; TENSORHUB_TASK_FILE has them\n" % ", ".join(
            sorted(name.encode("ascii", "backslashreplace").decode("ascii") for name in absent)
        )
    else:
        words += "hyper-parameters are global variables and results are taken from them all the same\n"
    sys.stderr.write(words)
    sys.stderr.flush()
    for name in parameters:
        if name not in absent:
            names[str(_normal(name))] = parameters[name]
    names["__file__"] = path
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", 0, True)
    ending = {"pid": os.getpid(), "succeeded": False}
    atexit.register(_report, names, keys, parameters, ending)
    try:
        exec(code, names)
        ending["succeeded"] = True
    except SystemExit as error:
        ending["succeeded"] = error.code is None or error.code == 0
        raise


def _normal(name):
    if sys.version_info[0] == 2:
        return name
    import unicodedata

    return unicodedata.normalize("NFKC", name)


def _is_name(name):
    """Whether Python 2 can have it as a variable, and it is not the module's own."""
    if sys.version_info[0] == 2 and any(ord(character) > 127 for character in name):
        return False
    return not (_normal(name).startswith("__") and _normal(name).endswith("__"))


def _is_plain(value):
    """Whether JSON has the value as it is: dates and bytes have a dollar sign."""
    if isinstance(value, dict):
        return all(not key.startswith("$") and _is_plain(value[key]) for key in value)
    return not isinstance(value, list) or all(_is_plain(item) for item in value)


def _report(names, keys, parameters, ending):
    path = os.environ.get("TENSORHUB_RESULT_FILE")
    if not path or not keys or not ending["succeeded"] or os.getpid() != ending["pid"]:
        return
    results = {}
    if os.path.exists(path):
        with open(path, "rb") as file:
            try:
                results = json.loads(file.read().decode("utf-8"))
            except ValueError:
                return  # the runner says so
    if not isinstance(results, dict):
        return
    refused = {}
    for key in keys:
        name = str(_normal(key)) if _is_name(key) else key
        if key in results or name not in names or names[name] is parameters.get(key, results):
            continue
        try:
            results[key] = _encoded(names[name], 0)
        except (TypeError, ValueError) as error:
            refused[key] = "%s" % error
            sys.stderr.write("tensorhub: the result '%s' cannot be stored: %s\n" % (name, error))
    for file_name, content in ((path, results), (path + ".refused", refused)):
        if content:
            with open(file_name + ".new", "w") as file:
                json.dump(content, file)
            os.rename(file_name + ".new", file_name)


def _encoded(value, depth):
    if depth > 150:
        raise ValueError("its parts nest deeper than 150 levels, or contain themselves")
    if value is None or isinstance(value, (bool, TEXT)):
        return value
    if isinstance(value, float):
        return float(value)
    if isinstance(value, WHOLE):
        if not -(1 << 63) <= value < 1 << 63:
            raise ValueError("it does not fit into 64 bits; store it as text: str(...)")
        return int(value)
    if isinstance(value, bytes) and sys.version_info[0] == 2:
        return value.decode("utf-8")
    if isinstance(value, (list, tuple)):
        return [_encoded(item, depth + 1) for item in value]
    if isinstance(value, dict) and all(isinstance(key, (str, TEXT)) and not key.startswith("$") for key in value):
        return dict((key, _encoded(value[key], depth + 1)) for key in value)
    if callable(getattr(value, "tolist", None)) and not isinstance(value, type):
        plain = value.tolist()
        if type(plain) is not type(value):
            return _encoded(plain, depth + 1)
    raise TypeError("it is of type %s, which no document holds" % type(value).__name__)
