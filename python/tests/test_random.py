"""Random values of every kind go into a hub and come out as the table "Types" of docs/python.md says, or are refused.

TENSORHUB_PROPERTY_SEED repeats a run, TENSORHUB_PROPERTY_COUNT says how many values there are.
"""

import array
import collections
import datetime
import decimal
import enum
import fractions
import os
import pathlib
import random
import re
import struct
import sys
import uuid

from support import ServerTestCase, needs_server, numpy
from tensorhub import conversion

COUNT = int(os.environ.get("TENSORHUB_PROPERTY_COUNT", "1500"))
SEED = int(os.environ.get("TENSORHUB_PROPERTY_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)

Pair = collections.namedtuple("Pair", "a b")


class Level(enum.IntEnum):
    LOW = -3
    HIGH = 1 << 40


class Name(str, enum.Enum):
    ODD = "é"


class Unstorable(Exception):
    """What the table calls refused."""


CHARACTERS = "a bZ09_-.$/\\\"'\0\n\r\t\x7f\x85é\u0301ß\u00b5\u03bc\u2028\ufeff\uffff中\U0001f600\U0010ffff"


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def text(self, longest=8):
        r = self.random
        text = "".join(r.choice(CHARACTERS) for _ in range(r.randrange(longest)))
        return text + r.choice("\ud800\udc00\udfff") if r.random() < 0.03 else text

    def key(self):
        r = self.random
        if r.random() < 0.8:
            return "".join(r.choice("abcé\u0301µμ中_ 1") for _ in range(r.randrange(1, 5)))
        return r.choice([self.text(), r.randrange(-3, 10**20), True, None, 1.5, Level.LOW, Name.ODD, "", "$oid", "$date", "a.b"])

    def integer(self):
        r = self.random
        edge = r.choice([0, 1 << 31, 1 << 32, 1 << 53, 1 << 63, 1 << 64, 10**19, 10**30])
        return r.choice([-1, 1]) * (edge + r.randrange(-2, 3)) if r.random() < 0.7 else r.getrandbits(r.randrange(1, 80))

    def number(self):
        r = self.random
        if r.random() < 0.3:
            return r.choice([0.0, -0.0, float("nan"), float("inf"), -float("inf"), 5e-324, 1e308, 0.1, 1e15, 1e16, 123456789.0])
        return struct.unpack("d", struct.pack("Q", r.getrandbits(64)))[0]

    def time(self):
        r = self.random
        zone = r.choice([None, None, datetime.timezone.utc, datetime.timezone(datetime.timedelta(seconds=r.randrange(-86399, 86400)))])
        return datetime.datetime(
            r.choice([1, 1969, 1970, 2024, 9999, r.randrange(2, 9999)]), r.randrange(1, 13), r.randrange(1, 29), r.randrange(24),
            r.randrange(60), r.randrange(60), r.choice([0, 250000, 999000, r.randrange(10**6)]), zone, fold=r.randrange(2),
        )  # fmt: skip

    def plain(self):
        r = self.random
        return r.choice([
            lambda: None, lambda: r.random() < 0.5, self.integer, self.integer, self.number, self.number, self.text, self.text,
            self.time, lambda: Level.HIGH, lambda: Name.ODD, lambda: r.getrandbits(24).to_bytes(3, "big"),
            lambda: bytearray(b"ab"), lambda: memoryview(b"xyz"), lambda: uuid.UUID(int=r.getrandbits(128)), self.decimal,
            lambda: r.choice([1j, {1}, frozenset(), range(2), fractions.Fraction(1, 3), pathlib.Path("a"), datetime.date.min,
                              datetime.time.max, datetime.timedelta(1), object(), print, int, iter(())]),
            lambda: re.compile(re.escape(self.text(4)), r.choice([0, re.I, re.M | re.X, re.A])),
            lambda: array.array(r.choice("bHiqfd"), [r.randrange(100) for _ in range(r.randrange(3))]),
        ])()  # fmt: skip

    def decimal(self):
        r = self.random
        digits = tuple(r.randrange(10) for _ in range(r.choice([1, 5, 34, 35])))
        value = decimal.Decimal((r.randrange(2), digits, r.choice([0, -2, 3, -6176, 6111, 7000])))
        return r.choice([value] * 5 + [decimal.Decimal(word) for word in ("NaN", "sNaN", "Infinity", "-Infinity")])

    def array(self):
        r, np = self.random, numpy
        shape = tuple(r.randrange(4) for _ in range(r.randrange(4)))
        word = r.choice(["?", "i1", "u1", "i2", ">i4", "u4", "i8", "u8", "f2", "f4", ">f8", "f8", "g", "c8", ">c16", "S3", "U2", ">U2",
                         "V3", "M8[D]", "M8[ms]", "M8[us]", "M8[ns]", "M8[Y]", "m8[s]", "m8[ns]", "O", "record"])  # fmt: skip
        dtype = np.dtype([("a", ">i2"), ("b", "f4", (2,)), ("é", "U1")]) if word == "record" else np.dtype(word)
        size = int(np.prod(shape))
        if word == "O":
            value = np.empty(shape, object)
            for index in np.ndindex(*shape):
                value[index] = self.plain()
        elif dtype.kind == "U":
            value = np.array([r.choice(["", "a", "é中"]) for _ in range(size)], dtype).reshape(shape)
        elif word in ("g", "f8", ">f8") and r.random() < 0.5:
            value = np.array([r.choice([0.25, -1.5, float("nan")]) for _ in range(size)], dtype).reshape(shape)
        elif dtype.kind == "g" or word == "g":
            value = (np.arange(size) / np.longdouble(3)).reshape(shape)
        elif word == "record":
            value = np.zeros(shape, dtype)
            value["a"] = r.randrange(100)
        else:
            raw = bytes(r.getrandbits(8) for _ in range(size * dtype.itemsize))
            if dtype.kind == "b":
                raw = bytes(byte & 1 for byte in raw)
            value = np.frombuffer(raw, dtype).reshape(shape)
        kind = r.random()
        if kind < 0.2:
            value = np.asfortranarray(value)
        elif kind < 0.3 and value.ndim:
            value = value[::-1]
        elif kind < 0.4:
            value = value.T
        elif kind < 0.5 and word not in ("record", "O"):
            mask = np.array([r.random() < 0.4 for _ in range(size)], bool).reshape(shape)
            value = np.ma.masked_array(value, mask)
        elif kind < 0.6 and value.size:
            value = value.reshape(-1)[0]  # a scalar
        elif kind < 0.65:
            value = value.view(type("Own", (np.ndarray,), {}))
        return value

    def value(self, depth=0):
        r = self.random
        kind = r.random()
        if depth < 3 and kind < 0.12:
            items = [self.value(depth + 1) for _ in range(r.randrange(4))]
            return r.choice([list, list, tuple, lambda items: Pair(1, items)])(items)
        if depth < 3 and kind < 0.28:
            items = {self.key(): self.value(depth + 1) for _ in range(r.randrange(4))}
            return r.choice([dict, dict, collections.OrderedDict])(items)
        if numpy is not None and kind < 0.45:
            return self.array()
        return self.plain()


def expected(value):
    """What a document gives back, written down a second time and in another way than the client's."""
    if value is None or type(value) in (bool, float, uuid.UUID):
        return value
    if isinstance(value, enum.Enum):
        return expected(value.value)
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        return expected_of_array(value)
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    if type(value) is str and not re.search("[\ud800-\udfff]", value):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, datetime.datetime):
        plain = value.replace(tzinfo=None, fold=0, microsecond=value.microsecond // 1000 * 1000)
        try:
            whole = plain - (value.utcoffset() or datetime.timedelta(0)) if not value.microsecond % 1000 else shifted(value)
            return whole.replace(tzinfo=datetime.timezone.utc)
        except OverflowError:
            raise Unstorable from None
    if isinstance(value, decimal.Decimal):
        if value.is_snan() or value.is_finite() and (len(value.as_tuple().digits) > 34 or abs(value.as_tuple().exponent) > 6176):
            raise Unstorable
        if value.is_finite() and value.as_tuple().exponent > 6111:
            raise Unstorable
        return value
    if isinstance(value, re.Pattern) and not value.flags & re.A and "\0" not in value.pattern:
        expected(value.pattern)
        return value
    if isinstance(value, array.array):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [expected(item) for item in value]
    if isinstance(value, dict):
        result = {}
        for key, item in value.items():
            if isinstance(key, bool) or not isinstance(key, (int, str)):
                raise Unstorable
            key = key.value if isinstance(key, enum.Enum) else key
            key = str(key)
            if not key or key[0] == "$" or "." in key or "\0" in key or re.search("[\ud800-\udfff]", key) or key in result:
                raise Unstorable
            result[key] = expected(item)
        return result
    raise Unstorable


def shifted(value):
    whole = value.replace(tzinfo=None, fold=0) - (value.utcoffset() or datetime.timedelta(0))
    return whole.replace(microsecond=whole.microsecond // 1000 * 1000)


def expected_of_array(value):
    np = numpy
    if isinstance(value, np.generic) and value is not np.ma.masked:
        return expected_of_array(np.array(value)) if value.dtype.kind not in "SU" else value.item()
    if type(value) not in (np.ndarray, np.ma.MaskedArray, type(np.ma.masked)) or value.dtype.kind in "cmV":
        raise Unstorable
    mask = np.ma.getmaskarray(value)
    plain = np.ma.getdata(value)
    result = np.empty(plain.shape, object)
    for index in np.ndindex(*plain.shape):
        item = plain[index]
        if mask[index]:
            item = None
        elif plain.dtype.kind == "M":
            item = time_of(item)
        elif plain.dtype.char == "g":
            item = float(item)
            if item == item and np.longdouble(item) != plain[index]:
                raise Unstorable
        elif isinstance(item, np.generic):
            item = expected(item.item())
        else:
            item = expected(item)
        result[index] = item
    return result.tolist() if result.ndim else result[()]


def in_file(value):
    """What a file of arrays gives back: scalars of NumPy are arrays in it."""
    if isinstance(value, numpy.generic):
        return numpy.asarray(value)
    if type(value) is dict:
        return {key: in_file(item) for key, item in value.items()}
    return type(value)(in_file(item) for item in value) if type(value) in (list, tuple) else value


def time_of(item):
    if numpy.isnat(item):
        raise Unstorable
    try:
        finer = item.astype("M8[us]")
        if finer.astype(item.dtype) != item and numpy.datetime_data(item.dtype)[0] != "ns":
            raise Unstorable
        micro = int(finer.astype("i8"))
        if numpy.datetime_data(item.dtype)[0] == "ns":
            micro = int(item.astype("i8")) // 1000
        return datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(milliseconds=micro // 1000)
    except OverflowError:
        raise Unstorable from None


@needs_server
class RandomTests(ServerTestCase):
    def test_values_come_out_as_they_went_in_or_are_refused(self):
        print("TENSORHUB_PROPERTY_SEED=%d TENSORHUB_PROPERTY_COUNT=%d" % (SEED, COUNT), file=sys.stderr, flush=True)
        conversion._is_rounding_told = True
        maker = Maker(SEED)
        db = self.db
        script = self.file("a.py", "pass")
        doors = {
            "log": lambda i, v: db.save_training_log(i=i, v=v),
            "hyper-parameter": lambda i, v: db.create_task("t", script, {"v": v}, i=i),
            "tag": lambda i, v: db.create_task("t", script, i=i, v=v),
        }
        stored, files, refused = {}, 0, 0
        for i in range(COUNT):
            value = maker.value()
            words = "value %d of seed %d: %r" % (i, SEED, value)
            if numpy is not None and i % 10 == 0:
                value = maker.array() if i % 30 else value
                words = "value %d of seed %d: %r" % (i, SEED, value)
                kept = self.through_files(db, value, i, words)
                files, refused = files + kept, refused + (not kept)
                continue
            door = maker.random.choice(["log", "log", "log", "log", "tag", "hyper-parameter"])
            try:
                wanted = expected(value)
            except Unstorable:
                with self.assertRaises((TypeError, ValueError), msg=door + ", " + words):
                    doors[door](i, value)
                refused += 1
                continue
            doors[door](i, value)
            stored[i] = (door, wanted, words)
        found = {entry["i"]: entry["v"] for entry in db.find_training_log()}
        for task in db.find_tasks("t"):
            found[task["i"]] = task["v"] if "v" in task else task["hyper_parameters"]["v"]
        self.assertEqual(set(found), set(stored))
        for i, (door, wanted, words) in stored.items():
            self.assert_same(wanted, found[i], door + ", " + words)
        print("%d in documents, %d in files, %d refused" % (len(stored), files, refused), file=sys.stderr, flush=True)
        self.assertGreater(len(stored), COUNT // 3)

    def through_files(self, db, value, i, words):
        """Whether it was stored."""
        mine = {"a": numpy.zeros(1), "v": value}
        try:
            if i % 20:
                db.save_model({"w": value}, "m")
                found = db.find_top_model(model_name="m").params["w"]
            else:
                db.save_dataset(mine, "d")
                found = db.find_top_dataset("d")["v"]
        except (TypeError, ValueError):
            return False
        self.assert_same(in_file(value), found, "file, " + words)
        return True
