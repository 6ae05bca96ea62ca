"""The columns and indexes of a DataFrame as arrays of one ``.npz`` file, and back; nothing of it is a pickle."""

from __future__ import annotations

import json
import tempfile
from typing import Any, BinaryIO, Dict, List

from . import errors

#: The member of an ``.npz`` that says how its arrays make up the frame.
DESCRIPTION = "frame.json"

#: What to do with a column of a type that no file holds, by the name of the type's class.
_REMEDIES: Dict[str, str] = {
    "PeriodDtype": "give x.dt.to_timestamp()",
    "IntervalDtype": "give its ends, x.array.left and x.array.right, as two columns",
    "SparseDtype": "give x.sparse.to_dense()",
    "ArrowDtype": "give x.astype(...) with a type of NumPy's or pandas' own, such as 'Int64'",
}
_LABELS = "give the columns names that are all texts or all numbers: x.columns = x.columns.map(str)"


def write(frame: Any, pandas: Any) -> BinaryIO:
    """The columns and indexes of a frame in a file.

    :raises TypeError: names the column that no arrays bring back.
    """
    import numpy

    from .arrays import write_npz

    packed = _Packed(pandas, numpy)
    description = {
        "columns": packed.index(frame.columns, "dataset: its names of columns"),
        "index": packed.index(frame.index, "dataset: its index"),
        "values": [packed.values(frame.iloc[:, i], "dataset[%r]" % (name,)) for i, name in enumerate(frame.columns)],
        "attrs": _attributes(frame.attrs),
    }
    text = numpy.frombuffer(json.dumps(description).encode("ascii"), "u1")
    file = tempfile.TemporaryFile()
    write_npz(file, [(DESCRIPTION, text), *(("%d" % i, array) for i, array in enumerate(packed.arrays))])
    return file


def _attributes(attributes: Any) -> Dict[str, Any]:
    try:
        if json.loads(json.dumps(attributes)) == attributes:
            return dict(attributes)
    except (TypeError, ValueError):
        pass
    raise TypeError(
        "dataset: its attrs hold what JSON lacks; give numbers, texts, lists and dictionaries, or x.attrs = {}"
    )


def _label(name: Any, where: str) -> Any:
    """The name of an index as JSON has it."""
    if name is None or type(name) in (str, int, bool):
        return name
    if type(name) is tuple:
        return {"tuple": [_label(part, where) for part in name]}
    raise TypeError("%s has the name %r of type %s; give it a text as its name" % (where, name, type(name).__name__))


def _name(label: Any) -> Any:
    return tuple(_name(part) for part in label["tuple"]) if isinstance(label, dict) else label


class _Packed:
    """Columns and indexes as arrays, and a description of how the arrays make these up."""

    def __init__(self, pandas: Any, numpy: Any) -> None:
        self._pandas = pandas
        self._numpy = numpy
        self.arrays: List[Any] = []

    def _add(self, array: Any) -> int:
        self.arrays.append(array)
        return len(self.arrays) - 1

    def index(self, index: Any, where: str) -> Dict[str, Any]:
        """An index, or the names of the columns."""
        pandas = self._pandas
        if isinstance(index, pandas.MultiIndex):
            return {
                "kind": "multi",
                "levels": [self.index(level, where) for level in index.levels],
                "codes": [self._add(self._numpy.asarray(codes)) for codes in index.codes],
            }
        name = _label(index.name, where)
        if isinstance(index, pandas.RangeIndex):
            return {"kind": "range", "name": name, "range": [index.start, index.stop, index.step]}
        freq = getattr(index, "freq", None)
        if freq is not None and pandas.tseries.frequencies.to_offset(freq.freqstr) != freq:
            raise TypeError("%s has a frequency of its own, %s; give it without: x.index.freq = None" % (where, freq))
        remedy = _LABELS if "columns" in where else "give x.reset_index(), or an index of texts or numbers"
        spec = self.values(index, where, remedy)
        return {"kind": "flat", "name": name, "freq": None if freq is None else freq.freqstr, "values": spec}

    def values(self, values: Any, where: str, remedy: str = "") -> Dict[str, Any]:
        """The values of a column or index.

        :raises TypeError: for a type that the arrays do not bring back.
        """
        pandas, dtype = self._pandas, values.dtype
        if isinstance(dtype, self._numpy.dtype):
            if dtype.kind == "O":
                return {"kind": "text", **self._text(values, where, remedy)}
            from .arrays import checked

            return {"kind": "array", "data": self._add(checked(values.to_numpy(), where))}
        if isinstance(dtype, pandas.CategoricalDtype):
            categories = self.index(dtype.categories, where)
            codes = self._numpy.asarray(values.array.codes)
            return {
                "kind": "category",
                "codes": self._add(codes),
                "categories": categories,
                "ordered": bool(dtype.ordered),
            }
        if isinstance(dtype, pandas.DatetimeTZDtype):
            return self._times(values, where)
        if isinstance(dtype, pandas.StringDtype):
            absent = "nan" if isinstance(dtype.na_value, float) else "NA"
            return {"kind": "string", "storage": dtype.storage, "absent": absent, **self._text(values, where, remedy)}
        masked = (pandas.arrays.BooleanArray, pandas.arrays.IntegerArray, pandas.arrays.FloatingArray)
        if isinstance(values.array, masked):
            plain = values.array.to_numpy(dtype=dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0))
            mask = self._numpy.asarray(values.array.isna(), "?")
            return {"kind": "masked", "data": self._add(plain), "mask": self._add(mask)}
        remedy = _REMEDIES.get(type(dtype).__name__) or remedy or "give x.astype(...) with another type, such as str"
        raise TypeError("%s is of type %s, which a file does not bring back; %s" % (where, dtype, remedy))

    def _times(self, values: Any, where: str) -> Dict[str, Any]:
        dtype, zone = values.dtype, str(values.dtype.tz)
        try:
            is_kept = self._pandas.DatetimeTZDtype(dtype.unit, zone) == dtype
        except (TypeError, ValueError, LookupError):
            is_kept = False
        if not is_kept:
            words = "%s has times of the zone %s, which has no name; give x.dt.tz_convert('UTC')"
            raise TypeError(words % (where, zone))
        data = self._numpy.asarray(values, dtype="M8[%s]" % dtype.unit)
        return {"kind": "times", "data": self._add(data), "zone": zone}

    def _text(self, values: Any, where: str, remedy: str) -> Dict[str, Any]:
        """Texts one behind the other, their lengths in bytes, and what stands in the place of missing ones."""
        numpy, pandas = self._numpy, self._pandas
        pieces: List[bytes] = []
        missing = numpy.zeros(len(values), "u1")
        for row, value in enumerate(values):
            piece = b""
            if isinstance(value, str):
                piece = str.__str__(value).encode("utf-8", "surrogatepass")
            elif value is None:
                missing[row] = 1
            elif value is pandas.NA:
                missing[row] = 2
            elif value is pandas.NaT:
                missing[row] = 3
            elif isinstance(value, float) and value != value:
                missing[row] = 4
            else:
                remedy = remedy or "give x.convert_dtypes(), x.astype(str), or columns of numbers and texts"
                words = "%s holds objects: at %d one of type %s. Of such a column a file holds texts alone; %s"
                raise TypeError(words % (where, row, type(value).__name__, remedy))
            pieces.append(piece)
        sizes = numpy.array([len(piece) for piece in pieces], "u8")
        text = numpy.frombuffer(b"".join(pieces), "u1")
        return {"data": self._add(text), "sizes": self._add(sizes), "missing": self._add(missing)}


def read(path: str, pandas: Any) -> Any:
    """The frame of such a file."""
    return _Unpacked(path, pandas).frame()


class _Unpacked:
    """The arrays of a file, and what they were made of."""

    def __init__(self, path: str, pandas: Any) -> None:
        import numpy

        from .arrays import read_npz

        self._pandas = pandas
        self._numpy = numpy
        arrays = read_npz(path)
        self._description = json.loads(arrays.pop(DESCRIPTION).tobytes().decode("ascii"))
        self._arrays = [arrays["%d" % index] for index in range(len(arrays))]

    def frame(self) -> Any:
        """The DataFrame."""
        pandas, spec = self._pandas, self._description
        index = self._index(spec["index"])
        columns = {number: self._series(each) for number, each in enumerate(spec["values"])}
        frame = pandas.DataFrame(columns, index=pandas.RangeIndex(len(index)))
        # Set afterwards: with labels that are there twice pandas would not line the columns up.
        frame.index = index
        frame.columns = self._index(spec["columns"])
        frame.attrs.update(spec["attrs"])
        return frame

    def _series(self, spec: Dict[str, Any]) -> Any:
        values = self._values(spec)
        return self._pandas.Series(values, dtype=object) if spec["kind"] == "text" else self._pandas.Series(values)

    def _index(self, spec: Dict[str, Any]) -> Any:
        pandas = self._pandas
        if spec["kind"] == "multi":
            levels = [self._index(level) for level in spec["levels"]]
            codes = [self._arrays[number] for number in spec["codes"]]
            names = [level.name for level in levels]
            return pandas.MultiIndex(levels=levels, codes=codes, names=names, verify_integrity=False)
        if spec["kind"] == "range":
            return pandas.RangeIndex(*spec["range"], name=_name(spec["name"]))
        values, name = self._values(spec["values"]), _name(spec["name"])
        is_text = spec["values"]["kind"] == "text"
        index = pandas.Index(values, dtype=object, name=name) if is_text else pandas.Index(values, name=name)
        if spec["freq"] is not None:
            try:
                index.freq = pandas.tseries.frequencies.to_offset(spec["freq"])
            except ValueError:
                pass  # another version of pandas calls it otherwise; the times are all there
        return index

    def _values(self, spec: Dict[str, Any]) -> Any:
        pandas, kind = self._pandas, spec["kind"]
        if kind == "array":
            return self._arrays[spec["data"]]
        if kind == "text":
            return self._text(spec)
        if kind == "string":
            return pandas.array(self._text(spec), dtype=self._string_type(spec))
        if kind == "category":
            categories = self._index(spec["categories"])
            return pandas.Categorical.from_codes(
                self._arrays[spec["codes"]], categories=categories, ordered=spec["ordered"]
            )
        if kind == "times":
            return pandas.DatetimeIndex(self._arrays[spec["data"]]).tz_localize("UTC").tz_convert(spec["zone"]).array
        if kind == "masked":
            data, mask = self._arrays[spec["data"]], self._arrays[spec["mask"]]
            kinds = {"b": pandas.arrays.BooleanArray, "f": pandas.arrays.FloatingArray}
            return kinds.get(data.dtype.kind, pandas.arrays.IntegerArray)(data, mask)
        raise errors.invalid(
            "dataset", "dataset: a newer version of this client saved it, with a column of kind %r" % kind
        )

    def _string_type(self, spec: Dict[str, Any]) -> Any:
        storage = spec["storage"]
        if storage == "pyarrow":
            try:
                import pyarrow  # noqa: F401
            except ImportError:
                storage = "python"
        if spec["absent"] == "NA":
            return self._pandas.StringDtype(storage)
        try:
            return self._pandas.StringDtype(storage, na_value=self._numpy.nan)
        except TypeError:  # a pandas of before that
            return self._pandas.StringDtype(storage)

    def _text(self, spec: Dict[str, Any]) -> Any:
        pandas = self._pandas
        data = self._arrays[spec["data"]].tobytes()
        sizes, missing = self._arrays[spec["sizes"]], self._arrays[spec["missing"]]
        absent = {1: None, 2: pandas.NA, 3: pandas.NaT, 4: self._numpy.nan}
        values, start = self._numpy.empty(len(sizes), object), 0
        for row, (size, code) in enumerate(zip(sizes.tolist(), missing.tolist())):
            values[row] = absent[code] if code else data[start : start + size].decode("utf-8", "surrogatepass")
            start += size
        return values
