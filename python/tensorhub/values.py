"""Values of documents: what Python has for them, and MongoDB's relaxed Extended JSON that carries them."""

from __future__ import annotations

import itertools
import json
import os
import time
from typing import Any, Callable, Dict, List

from . import errors

LONGEST = 1 << 63


class ObjectId(str):
    """MongoDB's identifier as 24 hexadecimal digits: a string that finds its way back as an ``objectId``."""

    __slots__ = ()

    def __new__(cls, text: str = "") -> "ObjectId":
        """A new identifier, or the one that the text spells."""
        text = str(text) if text else new_id()
        if len(text) != 24 or not set(text) <= set("0123456789abcdefABCDEF"):
            raise errors.invalid("_id", "%r is no ObjectId; one has 24 hexadecimal digits" % text)
        return super().__new__(cls, text.lower())

    def __repr__(self) -> str:
        return "ObjectId('%s')" % str(self)


_process = os.urandom(5).hex()
_counter = itertools.count(int.from_bytes(os.urandom(3), "big"))


def new_id() -> str:
    """The digits of a new ObjectId: seconds, five random bytes of this process, and a counter."""
    return "%08x%s%06x" % (int(time.time()) & 0xFFFFFFFF, _process, next(_counter) & 0xFFFFFF)


def _after_fork() -> None:
    global _process, _counter
    _process = os.urandom(5).hex()
    _counter = itertools.count(int.from_bytes(os.urandom(3), "big"))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


# MARK: Python to Extended JSON


def encode(value: Any, where: str = "value", depth: int = 0) -> Any:
    """The value in terms of Extended JSON, ready for ``json.dumps``.

    Scalars and arrays of NumPy, and whatever behaves like them, become numbers and lists. A date without a time zone is
    taken for UTC, as pymongo does.

    :raises TypeError: names the field whose value no document can hold.
    """
    kind = type(value)
    if kind is float or kind is bool or value is None:
        return value
    if kind is int:
        if -LONGEST <= value < LONGEST:
            return value
        raise errors.invalid(where, "%s is %s and does not fit into 64 bits; store it as text, as str(...) makes one" % (where, _short(value)))
    if kind is str:
        return value if value.isascii() else _characters(value)
    if depth > 150:
        raise errors.invalid(where, "%s nests deeper than 150 levels, or contains itself" % where)
    if isinstance(value, ObjectId) or kind.__name__ == "ObjectId":
        return {"$oid": str(value)}
    if isinstance(value, dict):
        return {_key(key, where): encode(item, "%s.%s" % (where, key), depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item, "%s[%d]" % (where, index), depth + 1) for index, item in enumerate(value)]
    if isinstance(value, (bool, int, float, str)):  # a subclass, such as an enumeration's member
        plain = next(base for base in (bool, int, float, str) if isinstance(value, base))
        return encode(plain(value), where, depth + 1)
    if isinstance(value, (bytes, bytearray, memoryview)):
        import base64

        return {"$binary": {"base64": base64.b64encode(bytes(value)).decode("ascii"), "subType": "00"}}
    return _encode_other(value, where, depth)


def _short(number: int) -> str:
    bits = number.bit_length()
    return str(number) if bits <= 128 else "a number of %d bits" % bits


def _encode_other(value: Any, where: str, depth: int) -> Any:
    import datetime
    import re

    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            value = value.replace(tzinfo=datetime.timezone.utc)
        epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        return {"$date": {"$numberLong": str((value - epoch) // datetime.timedelta(milliseconds=1))}}
    if isinstance(value, re.Pattern):
        letters = ((re.I, "i"), (re.M, "m"), (re.S, "s"), (re.X, "x"))
        options = "".join(letter for flag, letter in letters if value.flags & flag)
        return {"$regularExpression": {"pattern": value.pattern, "options": options}}
    number = as_number(value)
    if number is not value:
        return encode(number, where, depth + 1)
    raise TypeError(
        "%s is of type %s, which no document holds; numbers, texts, dates, lists and dictionaries are"
        % (where, type(value).__name__)
    )


def as_number(value: Any) -> Any:
    """Numbers and lists for a scalar, array or tensor; anything else is given back as it is."""
    if isinstance(value, type):
        return value
    # NumPy and PyTorch have tolist, TensorFlow has numpy.
    for name in ("tolist", "numpy"):
        convert = getattr(value, name, None)
        if callable(convert):
            return convert()
    return value


def _key(key: Any, where: str) -> str:
    if isinstance(key, str):
        return key if key.isascii() else _characters(key)
    if isinstance(key, bool) or not hasattr(key, "__index__"):
        raise TypeError("%s has the key %r of type %s; field names are texts" % (where, key, type(key).__name__))
    return str(int(key))


def _characters(text: str) -> str:
    """Half of a surrogate pair is no character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


dumps: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def document_text(value: Any, where: str = "value") -> str:
    """The value as text of Extended JSON; NaN and Infinity stand as bare words."""
    try:
        return dumps(encode(value, where))
    except RecursionError:
        raise errors.invalid(where, "%s nests too deep, or contains itself" % where) from None


def sort_document(sort: Any) -> Dict[str, int]:
    """The order as a document, from pymongo's list of (field, 1 or -1), a field's name, or a document."""
    if isinstance(sort, str):
        sort = [(sort, 1)]
    pairs: List[Any] = list(sort.items()) if isinstance(sort, dict) else list(sort)
    result: Dict[str, int] = {}
    for pair in pairs:
        if isinstance(pair, str):
            pair = (pair, 1)
        if not (isinstance(pair, (tuple, list)) and len(pair) == 2 and isinstance(pair[0], str) and pair[1] in (1, -1)):
            raise errors.invalid("sort", "sort: %r is no (field, 1) or (field, -1)" % (pair,))
        result[pair[0]] = int(pair[1])
    return result


def filter_document(fields: Dict[str, Any]) -> Any:
    """A filter in terms of Extended JSON. ``_id`` may be given as text."""
    fields = dict(fields)
    identifier = fields.get("_id")
    if type(identifier) is str:
        fields["_id"] = ObjectId(identifier)
    return encode(fields, "filter")


# MARK: Extended JSON to Python


def decode(value: Any) -> Any:
    """The Python value that an Extended JSON value stands for."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value:
        key = next(iter(value))
        convert = _WRAPPERS.get(key)
        if convert is not None:
            try:
                return convert(value[key])
            except (TypeError, ValueError, KeyError, OverflowError):
                pass  # an ordinary document with an unlucky key
    return {key: decode(item) for key, item in value.items()}


def _date(value: Any) -> Any:
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


def _binary(value: Any) -> bytes:
    import base64

    return base64.b64decode(value["base64"], validate=True)


_WRAPPERS: Dict[str, Callable[[Any], Any]] = {
    "$numberInt": int,
    "$numberLong": int,
    "$numberDouble": float,
    "$numberDecimal": float,
    "$oid": ObjectId,
    "$symbol": str,
    "$code": str,
    "$date": _date,
    "$binary": _binary,
    "$undefined": lambda value: None,
}
