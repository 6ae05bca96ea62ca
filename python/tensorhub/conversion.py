"""Values that documents hold in another form, such as arrays of NumPy; and what to do with those that none holds.

Apart from ``values``, so that a script of plain numbers does without it.
"""

from __future__ import annotations

import datetime
import decimal
import re
import sys
import uuid
from typing import Any, Dict, List, Optional, Type

from . import errors, values

#: Values of one array at most: more than that take more than MongoDB's 16 MiB.
LARGEST = 1 << 22

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_REGEX_OPTIONS = ((re.I, "i"), (re.M, "m"), (re.S, "s"), (re.X, "x"))

#: What to store instead, by the names of a value's classes.
_REMEDIES: Dict[str, str] = {
    "date": "x.isoformat(), or a datetime.datetime",
    "time": "x.isoformat()",
    "timedelta": "seconds: x.total_seconds()",
    "timedelta64": 'a number: x / numpy.timedelta64(1, "s")',
    "Fraction": "float(x), or str(x)",
    "complex": "[x.real, x.imag]",
    "complexfloating": "[x.real, x.imag]",
    "set": "a list: sorted(x)",
    "frozenset": "a list: sorted(x)",
    "range": "list(x)",
    "Enum": "x.name, or x.value",
    "PurePath": "str(x)",
    "memoryview": "bytes(x), or x.tolist()",
    "void": "x.tolist(), or a dictionary of its fields",
    "record": "a dictionary of its fields",
    "Series": "x.tolist(), or save_dataset(x.to_numpy(), ...)",
    "DataFrame": "x.to_dict('list'), or the DataFrame by itself: save_dataset(x, ...)",
    "Index": "x.tolist()",
    "Mapping": "dict(x)",
    "Decimal128": "x.to_decimal()",
}

_is_rounding_told = False


def encode(value: Any, where: str, depth: int, mode: int = values.STORED) -> Any:
    """What :func:`values.encode` has no plain form for."""
    if isinstance(value, datetime.datetime):
        return _date(value, where, mode)
    if isinstance(value, decimal.Decimal):
        return _decimal(value, where)
    if isinstance(value, uuid.UUID):
        return values._binary_of(value.bytes, "04")
    if isinstance(value, memoryview) and value.format == "B" and value.ndim == 1:
        return values._binary_of(bytes(value), "00")
    if isinstance(value, re.Pattern):
        return _pattern(value, where)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        return _scalar(value, where, mode, numpy)
    if numpy is not None and isinstance(value, numpy.ndarray):
        return _array(value, where, depth, mode, numpy)
    if isinstance(value, (type, memoryview)) or _is_table(value):
        raise refusal(value, where)
    # Tensors of PyTorch and JAX and Python's own array have tolist, TensorFlow's have numpy.
    for name in ("tolist", "numpy"):
        convert = getattr(value, name, None)
        if callable(convert):
            try:
                converted = convert()
            except Exception as error:  # whatever a foreign type does
                raise TypeError("%s is of type %s, whose %s() fails: %s" % (where, _name(value), name, error)) from error
            if type(converted) is type(value):
                break
            return values.encode(converted, where, depth + 1, mode)
    raise refusal(value, where)


def refusal(value: Any, where: str) -> TypeError:
    """Names the value, its type, and what to store instead."""
    words = "%s is of type %s, which no document holds; " % (where, _name(value))
    remedy: Optional[str] = None
    if not isinstance(value, type):
        names = [kind.__name__ for kind in type(value).__mro__]
        remedy = next((_REMEDIES[name] for name in names if name in _REMEDIES), None)
        if remedy is None and hasattr(type(value), "__dataclass_fields__"):
            remedy = "dataclasses.asdict(x)"
        elif remedy is None and hasattr(type(value), "keys") and hasattr(type(value), "__getitem__"):
            remedy = "dict(x)"
        elif remedy is None and hasattr(type(value), "__iter__"):
            remedy = "list(x)"
    if remedy is None:
        return TypeError(words + "numbers, texts, dates, lists and dictionaries are")
    return TypeError(words + "store " + remedy)


def _name(value: Any) -> str:
    return type(value).__name__


def _is_table(value: Any) -> bool:
    """Whether it is one of pandas or xarray, whose names of rows a list would not have."""
    return type(value).__module__.partition(".")[0] in ("pandas", "xarray")


# MARK: Dates and numbers


def _date(value: datetime.datetime, where: str, mode: int) -> Any:
    if value != value:  # NaT of pandas
        raise errors.invalid(where, "%s is no time (NaT); store None" % where)
    if value.utcoffset() is None:  # as pymongo has it
        value = value.replace(tzinfo=datetime.timezone.utc)
    whole, rest = divmod(value - _EPOCH, datetime.timedelta(milliseconds=1))
    if rest or getattr(value, "nanosecond", 0):
        _tell_rounding(value, where, mode)
    return {"$date": {"$numberLong": str(whole)}}


def _tell_rounding(value: Any, where: str, mode: int) -> None:
    global _is_rounding_told
    if mode == values.FILTER or _is_rounding_told:
        return
    _is_rounding_told = True
    words = "%s: MongoDB's dates have milliseconds; %s is stored without what is finer (this is said once)"
    errors.say(words % (where, value))


def _decimal(value: decimal.Decimal, where: str) -> Any:
    # What IEEE 754's 128 bits hold, exactly as it is.
    _, digits, exponent = value.as_tuple()
    if value.is_snan() or value.is_nan() and digits:
        raise errors.invalid(where, "%s is a NaN that MongoDB does not tell from others; store decimal.Decimal('NaN')" % where)
    if isinstance(exponent, int) and (len(digits) > 34 or not -6176 <= exponent <= 6111):
        words = "%s is a Decimal that 128 bits do not hold (34 digits, exponents from -6176 to 6111); store it as text: str(...)"
        raise errors.invalid(where, words % where)
    return {"$numberDecimal": "NaN" if value.is_nan() else str(value)}


def _pattern(value: "re.Pattern[Any]", where: str) -> Any:
    known = re.I | re.M | re.S | re.X
    if not isinstance(value.pattern, str) or value.flags & ~(known | re.U):
        raise errors.invalid(where, "%s is a pattern of bytes, or with flags that MongoDB lacks; it has I, M, S and X" % where)
    if "\0" in value.pattern:
        raise errors.invalid(where, "%s is a pattern with a NUL character, which MongoDB does not hold" % where)
    options = "".join(letter for flag, letter in _REGEX_OPTIONS if value.flags & flag)
    return {"$regularExpression": {"pattern": values.checked_text(value.pattern, where), "options": options}}


# MARK: NumPy


def _scalar(value: Any, where: str, mode: int, numpy: Any) -> Any:
    kind = value.dtype.kind
    if kind == "b":
        return bool(value)
    if kind in "iu":
        return values.encode(int(value), where)
    if kind == "M":
        return _date64(value, where, mode, numpy)
    if kind == "f" or kind == "V" and not isinstance(value, numpy.void):  # the latter is one of ml_dtypes
        return _number(value, where)
    raise refusal(value, where)


def _number(value: Any, where: str) -> Any:
    try:
        if _name(value).startswith(("int", "uint")):
            return values.encode(int(value), where)
        number = float(value)
    except (TypeError, ValueError):
        raise refusal(value, where) from None
    if number != value and number == number:
        words = "%s is %s of type %s, which 64 bits of floating point do not hold; store float(x), or str(x)"
        raise errors.invalid(where, words % (where, value, _name(value)))
    return number


def _date64(value: Any, where: str, mode: int, numpy: Any) -> Any:
    if numpy.isnat(value):
        raise errors.invalid(where, "%s is no time (NaT); store None" % where)
    unit, count = numpy.datetime_data(value.dtype)
    ticks = int(value.astype(numpy.int64)) * count
    finer = {"us": 10**3, "ns": 10**6, "ps": 10**9, "fs": 10**12, "as": 10**15}
    coarser = {"ms": 1, "s": 10**3, "m": 60_000, "h": 3_600_000, "D": 86_400_000, "W": 7 * 86_400_000}
    if unit in finer:
        whole, rest = divmod(ticks, finer[unit])
        if rest:
            _tell_rounding(value, where, mode)
    elif unit in coarser:
        whole = ticks * coarser[unit]
    elif unit in "MY":
        year, month = divmod(ticks if unit == "M" else 12 * ticks, 12)
        # Python's own calendar ends where its dates do.
        in_range = 1 <= year + 1970 <= 9999
        whole = (datetime.date(year + 1970, month + 1, 1).toordinal() - 719163) * 86_400_000 if in_range else 1 << 63
    else:
        raise refusal(value, where)
    if not -62_135_596_800_000 <= whole <= 253_402_300_799_999:
        raise errors.invalid(where, "%s is %s; dates are of the years 1 to 9999, store it as text: str(...)" % (where, value))
    return {"$date": {"$numberLong": str(whole)}}


def plain_kinds(numpy: Any) -> List[Type[Any]]:
    """The classes of arrays that are no more than their values; a user's may be."""
    chararray = getattr(getattr(numpy, "char", None), "chararray", numpy.ndarray)
    recarray = getattr(getattr(numpy, "rec", None), "recarray", numpy.ndarray)
    return [numpy.ndarray, numpy.matrix, numpy.memmap, chararray, recarray]


def _array(value: Any, where: str, depth: int, mode: int, numpy: Any) -> Any:
    is_masked = isinstance(value, numpy.ma.MaskedArray)
    if type(value) not in plain_kinds(numpy) and type(value) not in (numpy.ma.MaskedArray, type(numpy.ma.masked)):
        words = "%s is a %s, of which a list would hold the values alone; store numpy.asarray(x)"
        raise TypeError(words % (where, _name(value)))
    kind = value.dtype.kind
    if value.dtype.names is not None:
        raise TypeError("%s is a structured array, which no document holds; store {name: x[name] for name in x.dtype.names}" % where)
    if kind in "cm" or kind == "V" and issubclass(value.dtype.type, numpy.void):
        what = {"c": "complex numbers; store [x.real.tolist(), x.imag.tolist()]", "m": 'durations; store x / numpy.timedelta64(1, "s")'}
        raise TypeError("%s is an array of %s" % (where, what.get(kind, "raw bytes, which no document holds; store x.tolist()")))
    if value.size > LARGEST:
        words = "%s holds %d values, more than MongoDB's 16 MiB for a document; save it with save_dataset"
        raise errors.invalid(where, words % (where, value.size))
    if not is_masked and kind in "biuUS" or kind == "f" and value.dtype.itemsize <= 8 and not is_masked:
        # Of NumPy's own numbers none is beyond 64 bits but the upper half of uint64.
        return values.encode(numpy.asarray(value).tolist(), where, depth + 1)
    mask = numpy.ma.getmaskarray(value) if is_masked else None
    return _nested(numpy.asarray(numpy.ma.getdata(value)), mask, where, depth, mode)


def _nested(value: Any, mask: Any, where: str, depth: int, mode: int) -> Any:
    """Lists of the values, one by one; ``None`` where they are masked."""
    if value.ndim == 0:
        if mask is not None and mask:
            return None
        return values.encode(value[()], where, depth + 1, mode)
    rows = range(len(value))
    # An index with an ellipsis gives arrays, never elements.
    return [
        _nested(value[i, ...], None if mask is None else mask[i, ...], "%s[%d]" % (where, i), depth + 1, mode)
        for i in rows
    ]
