"""Values of documents: what Python has for them, and MongoDB's relaxed Extended JSON that carries them."""

from __future__ import annotations

import itertools
import json
import os
import time
from typing import Any, Callable, Dict, List, Optional, Set

from . import errors

LONGEST = 1 << 63

#: What a value is for: keys of filters are MongoDB's operators and paths, keys of results may hold dots.
STORED, RESULT, FILTER = 0, 1, 2


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

# Types whose every value JSON holds as it is.
_ATOMS = frozenset((float, bool, type(None)))


def encode(value: Any, where: str = "value", depth: int = 0, mode: int = STORED) -> Any:
    """The value in terms of Extended JSON, ready for ``json.dumps``.

    What comes back is equal, or documented (docs/python.md, "Types"), or the value is refused here by its name.

    :param mode: ``STORED``, ``RESULT`` or ``FILTER``.
    :raises TypeError: names the field whose value no document can hold.
    :raises errors.InvalidInput: names the field whose value is of a right type and cannot be stored all the same.
    """
    kind = type(value)
    if kind is float or kind is bool or value is None:
        return value
    if kind is int:
        if -LONGEST <= value < LONGEST:
            return value
        words = "%s is %s and does not fit into 64 bits; store it as text: str(...)"
        raise errors.invalid(where, words % (where, _short(value)))
    if kind is str:
        return value if value.isascii() else checked_text(value, where)
    if depth > 150:
        raise errors.invalid(where, "%s nests deeper than 150 levels, or contains itself" % where)
    if isinstance(value, ObjectId) or kind.__name__ == "ObjectId":
        return {"$oid": str(value)}
    if isinstance(value, dict):
        return _encode_dictionary(value, where, depth, mode)
    if isinstance(value, (list, tuple)):
        return [
            item if type(item) in _ATOMS else encode(item, "%s[%d]" % (where, index), depth + 1, mode)
            for index, item in enumerate(value)
        ]
    # A subclass, such as an enumeration's member. Its own conversion may say anything, as Enum's does.
    if isinstance(value, str):
        return checked_text(str.__str__(value), where)
    if isinstance(value, int):
        return encode(int.__int__(value), where, depth)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, (bytes, bytearray)):
        return _binary_of(bytes(value), "00")
    from . import conversion

    return conversion.encode(value, where, depth, mode)


def _encode_dictionary(value: Dict[Any, Any], where: str, depth: int, mode: int) -> Dict[str, Any]:
    result: Dict[str, Any] = {}
    for key, item in value.items():
        name = key if key in plain_keys else checked_key(key, where, mode)
        if type(item) not in _ATOMS:
            item = encode(item, name if depth < 0 else "%s.%s" % (where, name), depth + 1, mode)
        result[name] = item
    if len(result) != len(value):
        names = [checked_key(key, where, mode) for key in value]
        twice = next(name for name in names if names.count(name) > 1)
        raise errors.invalid(where, "%s has the key %r twice, once as a number; rename one" % (where, twice))
    return result


def _short(number: int) -> str:
    bits = number.bit_length()
    return str(number) if bits <= 128 else "a number of %d bits" % bits


def _binary_of(data: bytes, subtype: str) -> Dict[str, Any]:
    import base64

    return {"$binary": {"base64": base64.b64encode(data).decode("ascii"), "subType": subtype}}


#: Keys that every document may have, as they were found: looking one up costs less than looking at it.
plain_keys: Set[Any] = set()


def checked_key(key: Any, where: str, mode: int = STORED) -> str:
    """The name of a field; a whole number as its digits.

    :raises TypeError: for what is neither.
    :raises errors.InvalidInput: for a text that no document has as a name.
    """
    if type(key) is not str:
        if isinstance(key, str):
            key = str.__str__(key)
        elif isinstance(key, bool) or not hasattr(key, "__index__"):
            raise TypeError("%s has the key %r of type %s; keys are texts" % (where, key, type(key).__name__))
        else:
            return str(int(key.__index__()))
    if not key.isascii():
        checked_text(key, "key %r in %s" % (key, where), where)
    if "\0" in key:
        words = "key %r in %s holds a NUL character, which a key cannot; rename it"
    elif mode == FILTER:
        return key
    elif not key:
        raise errors.invalid(where, "%s has an empty key; name it" % where)
    elif key[0] == "$" or mode == STORED and "." in key:
        words = "key %r in %s has a '.' or begins with '$'; rename it"
    else:
        if mode == STORED and len(plain_keys) < 1000:
            plain_keys.add(key)
        return key
    raise errors.invalid(where, words % (key, where))


def checked_text(text: str, where: str, field: Optional[str] = None) -> str:
    """The text.

    :raises errors.InvalidInput: for one that UTF-8 cannot hold, and so neither MongoDB nor a name.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        words = "%s is not UTF-8: it holds half of a surrogate pair; rename it, or store its bytes: "
        words += 'x.encode("utf-8", "surrogatepass")'
        raise errors.invalid(field or where, words % where) from None
    return text


def checked_name(name: Any, role: str) -> None:
    """
    :raises TypeError: for what is no text.
    :raises errors.InvalidInput: for a text that no name is.
    """
    if not isinstance(name, str):
        raise TypeError("%s: %r is no name; give a text" % (role, name))
    if not name:
        raise errors.invalid(role, "%s: '' is no name; give a text that is not empty" % role)
    checked_text(name, "%s: %r" % (role, name), role)


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
        result[checked_text(pair[0], "sort")] = int(pair[1])
    return result


def filter_document(fields: Dict[str, Any]) -> Any:
    """A filter in terms of Extended JSON. ``_id`` may be given as text."""
    fields = dict(fields)
    identifier = fields.get("_id")
    if type(identifier) is str:
        fields["_id"] = ObjectId(identifier)
    return encode(fields, "filter", 0, FILTER)


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
            except (TypeError, ValueError, KeyError, OverflowError, ArithmeticError, AttributeError):
                pass  # an ordinary document with an unlucky key
    return {key: decode(item) for key, item in value.items()}


def _date(value: Any) -> Any:
    # With its zone, which is UTC: one without would pass for local time, and is not to be compared with one that has it.
    import datetime

    if isinstance(value, dict):
        milliseconds = int(value["$numberLong"])
        return datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(milliseconds=milliseconds)
    text = value[:-1] + "+00:00" if value.endswith("Z") else value
    whole, point, rest = text.partition(".")
    if point:  # before Python 3.11 a fraction has three digits or six
        digits = rest[: len(rest) - 6]
        text = whole + "." + digits.ljust(6, "0")[:6] + rest[len(digits) :]
    return datetime.datetime.fromisoformat(text).astimezone(datetime.timezone.utc)


def _binary(value: Any) -> Any:
    import base64

    data = base64.b64decode(value["base64"], validate=True)
    if value.get("subType") in ("04", "4") and len(data) == 16:
        import uuid

        return uuid.UUID(bytes=data)
    return data


def _decimal(value: Any) -> Any:
    import decimal

    return decimal.Decimal(value)


def _pattern(value: Any) -> Any:
    import re

    flags = 0
    for letter in value["options"]:
        flags |= {"i": re.I, "m": re.M, "s": re.S, "x": re.X}[letter]
    try:
        return re.compile(value["pattern"], flags)
    except (re.error, RecursionError):
        raise ValueError from None  # of another language's kind


_WRAPPERS: Dict[str, Callable[[Any], Any]] = {
    "$numberInt": int,
    "$numberLong": int,
    "$numberDouble": float,
    "$numberDecimal": _decimal,
    "$regularExpression": _pattern,
    "$oid": ObjectId,
    "$symbol": str,
    "$code": str,
    "$date": _date,
    "$binary": _binary,
    "$undefined": lambda value: None,
}
