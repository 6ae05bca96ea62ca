"""Values for each row of the table "Types" in docs/python.md, and what comes back of those that are converted."""

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import pathlib
import re
import tempfile
import uuid
import warnings

try:
    import numpy
except ImportError:
    numpy = None
try:
    import pandas
except ImportError:
    pandas = None
try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None


class Sample:
    """A value, and what it becomes in a file of arrays and in a document, where that is another value."""

    def __init__(self, value, file=None, document=None):
        self.value, self.file, self.document = value, file, document


class Grade(enum.IntEnum):
    GOOD = 3


class Color(str, enum.Enum):
    RED = "r"


class Plain(enum.Enum):
    A = 1


class Bits(enum.Flag):
    A = 1


@dataclasses.dataclass
class Point:
    x: int = 1


class Own(float):
    def __float__(self):
        return 0.0


Pair = collections.namedtuple("Pair", "a b")


class Table:
    """Looks like one of pandas."""

    shape, dtype = (1,), "float64"

    def tolist(self):
        return [1.0]

    def __array__(self, dtype=None, copy=None):
        return numpy.zeros(1)


Table.__module__ = "pandas.core.frame"


class Tensor:
    """Looks like one of PyTorch."""

    shape, dtype = (2,), "float32"

    def detach(self):
        return self

    def numpy(self):
        return numpy.array([1.5, 2], "f4")

    def tolist(self):
        return [1.5, 2.0]


def utc(time):
    return time.replace(tzinfo=datetime.timezone.utc)


def rows():
    """From the first words of a row to its samples."""
    minute = datetime.datetime(2024, 2, 29, 12, 30, 15, 250000)
    east = datetime.timezone(datetime.timedelta(hours=5, minutes=45))
    yield "`None`, `bool`", [Sample(v) for v in (
        None, True, False, 0, -(2**63), 2**63 - 1, 0.5, -0.0, 5e-324, 1.7976931348623157e308, 1e16, 1e22, 0.1, 1.0,
        float("nan"), float("inf"), float("-inf"), "", "a", "é", "e\u0301", "\0", "\U0001f600", "$a", "a.b", "\u2028",
    )]  # fmt: skip
    yield "`int` beyond 64 bits", [Sample(v) for v in (2**63, -(2**63) - 1, 10**40)]
    yield "`str` with half", [Sample(v) for v in ("\ud800", "a\udcff")]
    yield "subclass of `int`", [
        Sample(Grade.GOOD, document=3), Sample(Color.RED, document="r"), Sample(Own(0.5), document=0.5)
    ]  # fmt: skip
    yield "`bytes`", [Sample(b""), Sample(b"a\0\xff")]
    yield "`bytearray`", [Sample(bytearray(b"ab"), document=b"ab"), Sample(memoryview(b"ab"), document=b"ab")]
    yield "`memoryview` of other", [Sample(memoryview(array.array("d", [1.5])))]
    yield "`list`", [Sample([]), Sample([1, [2.5, "x"], {"a": None}])]
    yield "`tuple`", [Sample((), document=[]), Sample((1, (2,)), document=[1, [2]])]
    yield "named tuple", [Sample(Pair(1, 2), document=[1, 2])]
    yield "`dict`", [Sample({}), Sample({"a": {"b": [1]}, "é": 1, "e\u0301": 2})]
    yield "subclass of `dict`", [
        Sample(collections.OrderedDict(a=1), document={"a": 1}), Sample(collections.Counter("aa"), document={"a": 2})
    ]  # fmt: skip
    yield "`dict` with whole", [Sample({1: "a", -2: "b"}, document={"1": "a", "-2": "b"})]
    yield "`dict` with a `bool`", [Sample({key: 1}) for key in (True, 1.5, None, (1,))]
    yield "`dict` with a key that", [Sample({key: 1}) for key in ("", "a.b", "a\0", "$oid", "$gt", "\ud800")]
    last = datetime.datetime(9999, 12, 31, 23, 59, 59, 999000)
    yield "`datetime` with the zone UTC", [Sample(utc(v)) for v in (minute, datetime.datetime.min, last)]
    yield "`datetime` with another", [
        Sample(minute.replace(tzinfo=east), document=utc(minute - datetime.timedelta(hours=5, minutes=45)))
    ]
    yield "`datetime` without", [Sample(v, document=utc(v)) for v in (minute, datetime.datetime.min, last)]
    yield "`datetime` with finer", [
        Sample(minute.replace(microsecond=250999), document=utc(minute)),
        Sample(datetime.datetime(1969, 12, 31, 23, 59, 59, 999999), document=utc(datetime.datetime(1969, 12, 31, 23, 59, 59, 999000))),
    ]  # fmt: skip
    yield "`date`, `time`", [Sample(v) for v in (minute.date(), minute.time(), datetime.timedelta(1))]
    yield "`Decimal` of 34", [
        Sample(decimal.Decimal(v)) for v in ("1.10", "0", "-0.000", "NaN", "-Infinity", "9" * 34, "1E-6176", "1E+6111")
    ]
    yield "`Decimal` of more", [Sample(decimal.Decimal(v)) for v in ("9" * 35, "1E-6177", "1E+7000", "sNaN", "NaN123")]
    yield "`Fraction`", [Sample(v) for v in (fractions.Fraction(1, 3), 1j)]
    yield "`Enum`", [Sample(v) for v in (
        Plain.A, Bits.A, Point(), {1}, frozenset(), range(3), (x for x in ()), iter([]), pathlib.Path("a"), len, object(), int,
    )]  # fmt: skip
    yield "`UUID`", [Sample(uuid.UUID(int=5))]
    yield "`re.Pattern` of text", [Sample(re.compile("^a", re.I)), Sample(re.compile("é", re.M | re.S | re.X))]
    yield "`re.Pattern` of bytes", [Sample(re.compile(b"a")), Sample(re.compile("a", re.A))]
    yield "`array.array`", [Sample(array.array("f", [0.5]), document=[0.5]), Sample(array.array("q", [2]), document=[2])]
    if numpy is None:
        return
    yield from numpy_rows()


def numpy_rows():
    np = numpy

    def listed(value):
        return Sample(value, document=value.tolist())

    numbers = "? i1 u1 <i2 >i2 u2 >i4 u4 i8 u8 >u8 f2 >f2 f4 f8 >f8".split()
    yield "array of `bool`", [listed(np.array([[1, 0, 1], [0, 1, 1]], t)) for t in numbers] + [
        listed(np.arange(6).reshape(2, 3).T), listed(np.arange(6.0)[::2]), listed(np.arange(3)[::-1]),
        listed(np.asfortranarray(np.arange(6.0).reshape(2, 3))), listed(np.array([np.nan, -0.0, np.inf])),
        listed(np.broadcast_to(np.float32(1), (2, 2))),
    ]  # fmt: skip
    yield "array without dimension", [listed(np.array(5)), listed(np.zeros((0, 3))), listed(np.zeros((2, 0), "i1"))]
    yield "array of `uint64` from", [Sample(np.array([2**63], "u8"))]
    whole = np.array([0.25, np.nan, -np.inf], np.longdouble)
    yield "array of `longdouble`", [Sample(whole, document=[0.25, float("nan"), float("-inf")])]
    yield "array of `complex64`", [Sample(np.array([1j], t)) for t in ("c8", "c16", ">c16", np.clongdouble)]
    yield "array of bytes (`S`)", [listed(np.array([b"a", b"bc"])), listed(np.array([b"\xff"]))]
    yield "array of texts (`U`)", [listed(np.array(["a", "é"])), listed(np.array([["a"]], ">U3"))]
    string = getattr(getattr(np, "dtypes", None), "StringDType", None)
    yield "array of texts of any", [Sample(np.array(["a", "é"], string()), document=["a", "é"])] if string else []
    yield "array of objects", [Sample(np.array([None, 1, "a", {"b": 1}], object), document=[None, 1, "a", {"b": 1}])]
    day = utc(datetime.datetime(2024, 2, 29))
    yield "array of `datetime64`", [
        Sample(np.array(["2024-02-29"], "M8[%s]" % unit), document=[day]) for unit in "D h m s ms us ns 7s".split()
    ] + [
        Sample(np.array(["2024", "0001"], "M8[Y]"), document=[utc(datetime.datetime(2024, 1, 1)), utc(datetime.datetime.min)]),
        Sample(np.array(["2024-02"], ">M8[M]"), document=[utc(datetime.datetime(2024, 2, 1))]),
        Sample(np.array(["2024-02-29"], "M8[W]"), document=[day]),
        Sample(np.array([1], "M8[ps]"), document=[utc(datetime.datetime(1970, 1, 1))]),
    ]
    yield "array of `datetime64` with NaT", [Sample(np.array(v)) for v in (
        np.array(["2024-01-01", "NaT"], "M8[D]"), np.array(["20000"], "M8[Y]"), np.array([-3000], "M8[Y]"), np.array(["NaT"], "M8"),
    )]  # fmt: skip
    yield "array of `timedelta64`", [Sample(np.array([1, 2], "m8[%s]" % t)) for t in "Y D s ns as".split()] + [
        Sample(np.array([1], "m8")), Sample(np.array(["NaT"], "m8[s]"))
    ]  # fmt: skip
    record = np.array([(1, 2.5), (3, 4.5)], [("a", ">i4"), ("b", "f8")])
    nested = np.zeros(2, [("é", "U2"), ("x", [("y", "M8[ns]", (2,))])])
    aligned = np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True))
    yield "array of `void`", [Sample(v) for v in (np.array([b"ab"], "V2"), record, nested, aligned, record[["b"]])]
    yield "array of a type with metadata", [Sample(np.array([1], np.dtype("i4", metadata={"a": 1})), document=[1])]
    yield "array of `bfloat16`", [
        Sample(np.array([0, 1, 2]).astype(getattr(ml_dtypes, name)), document=[kind(i) for i in range(3)])
        for kind, name in ((float, "bfloat16"), (float, "float8_e4m3fn"), (float, "float8_e5m2"), (int, "int4"), (int, "uint4"))
        if ml_dtypes is not None
    ]
    masked = np.ma.masked_array([1.5, -999.0], [0, 1], fill_value=7)
    days = np.ma.masked_array(np.array(["2024-02-29", "NaT"], "M8[D]"), [0, 1])
    yield "masked array", [
        Sample(masked, document=[1.5, None]), Sample(days, document=[day, None]), Sample(np.ma.array([1], "i4"), document=[1]),
        Sample(np.ma.masked_array([[1, 2]], [[1, 0]]), document=[[None, 2]]), Sample(np.ma.masked, document=None),
    ]  # fmt: skip
    yield "masked structured", [Sample(np.ma.array(record, mask=[(0, 1), (1, 0)]))]
    chars = np.char.array(["a ", "b"])
    with tempfile.TemporaryFile() as file:
        mapped = np.memmap(file, "f4", shape=(2,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matrix = np.matrix([[1, 2]])
    yield "`matrix`, `memmap`", [
        Sample(matrix, np.array([[1, 2]]), [[1, 2]]), Sample(mapped, np.zeros(2, "f4"), [0.0, 0.0]),
        Sample(chars, np.array(["a ", "b"]), ["a ", "b"]),
    ]  # fmt: skip
    yield "`recarray`", [Sample(record.view(np.recarray), record)]

    class Own(np.ndarray):
        pass

    yield "another subclass", [Sample(np.zeros(1).view(Own))]
    yield "scalar of NumPy", [
        Sample(v, np.array(v), d) for v, d in (
            (np.bool_(True), True), (np.int8(3), 3), (np.uint64(3), 3), (np.float16(0.5), 0.5), (np.float64(0.5), 0.5),
            (np.longdouble("0.25"), 0.25), (np.str_("é"), "é"), (np.bytes_(b"a"), b"a"), (np.datetime64("2024-02-29"), day),
        )
    ]  # fmt: skip
    yield "tensor of PyTorch", [Sample(Tensor(), np.array([1.5, 2], "f4"), [1.5, 2.0])]
    yield "`DataFrame`", [Sample(Table())] + (
        [Sample(pandas.DataFrame({"a": [1]})), Sample(pandas.Series([1])), Sample(pandas.Index([1]))] if pandas else []
    )
