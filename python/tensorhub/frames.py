"""DataFrames of pandas as files and back: Parquet where that keeps them equal, else an ``.npz`` of their columns."""

from __future__ import annotations

import sys
import tempfile
from typing import Any, BinaryIO, Dict, Optional, Sequence, Tuple

from . import errors, frame_arrays
from .content import Content, Part, hub_of

#: The form of a data set that is a DataFrame; the name of its file says in which format.
FORM = "frame"


def is_frame(value: Any) -> bool:
    """Whether it is a DataFrame of pandas."""
    kind = getattr(sys.modules.get("pandas"), "DataFrame", None)
    return isinstance(kind, type) and isinstance(value, kind)


def content_of(frame: Any, shards: Optional[int] = None) -> Content:
    """The file of a DataFrame.

    :raises TypeError: names the column that no file brings back as it is, and what to give instead.
    """
    import pandas

    if type(frame) is not pandas.DataFrame:
        words = "dataset is a %s, of which a file would hold the columns alone; give pandas.DataFrame(x)"
        raise TypeError(words % type(frame).__name__)
    if shards is not None:
        raise errors.invalid("shards", "shards: a DataFrame is not cut; give arrays, or save parts of it one by one")
    file = _parquet(frame, pandas)
    if file is not None:
        return Content("file", [Part("data.parquet", file)], FORM)
    return Content("file", [Part("data.npz", frame_arrays.write(frame, pandas))], FORM)


def read(path: str) -> Any:
    """The DataFrame of a file.

    :raises ImportError: names the package that is missing, and the file.
    """
    words = "the data set is a DataFrame of pandas: install %s to load it, or read the file %s"
    try:
        import pandas
    except ImportError:
        raise ImportError(words % ("pandas", path)) from None
    if not path.endswith(".parquet"):
        return frame_arrays.read(path, pandas)
    parquet = _parquet_module()
    if parquet is None:
        raise ImportError(words % ("pyarrow (14.0.1 or newer)", path))
    with parquet.ParquetFile(path) as file:
        return file.read().to_pandas()


def pandas_for(what: str) -> Any:
    """The package pandas.

    :raises ImportError: says what needs it.
    """
    try:
        import pandas
    except ImportError:
        words = "%s needs pandas, which this Python lacks: pip install pandas, or leave it out and get dictionaries"
        raise ImportError(words % what) from None
    return pandas


def of_log(entries: Sequence[Dict[str, Any]], pandas: Any) -> Any:
    """Entries of a log as a DataFrame: ``_id``, ``time``, ``task`` and ``attempt``, then the values, a row an entry.

    ``time`` is UTC, ``task`` and ``attempt`` are missing for what no task has reported. A value that is named as one of
    these columns is ``value.task``. What an entry has no value of is missing in its row.
    """
    rows = []
    for entry in entries:
        hub = hub_of(entry)
        row = dict(zip(_COLUMNS, (entry.get("_id"), entry.get("time"), hub.get("task"), hub.get("attempt"))))
        for name, value in entry.items():
            if name not in _OF_HUB:
                row["value." + name if name in ("task", "attempt") else name] = value
        rows.append(row)
    frame = pandas.DataFrame(rows, columns=None if rows else _COLUMNS)
    frame["time"] = pandas.to_datetime(frame["time"], utc=True)
    return frame


_COLUMNS = ["_id", "time", "task", "attempt"]
_OF_HUB = frozenset(("_id", "time", "hub", "project_name"))


# MARK: Parquet


def _parquet_module() -> Any:
    """The part of pyarrow that reads and writes Parquet; ``None`` for one that may run code which a file brings.

    Before 14.0.1 it loaded pickles in a file's schema (CVE-2023-47248).
    """
    try:
        from pyarrow import __version__, parquet
    except ImportError:
        return None
    parts = [int(part) for part in __version__.split(".")[:3] if part.isdigit()]
    return parquet if parts >= [14, 0, 1] else None


def _parquet(frame: Any, pandas: Any) -> Optional[BinaryIO]:
    """The frame in Parquet; ``None`` where pyarrow is not there, or would bring it back otherwise."""
    if not _suits_parquet(frame, pandas):
        return None
    parquet = _parquet_module()
    if parquet is None:
        return None
    import pyarrow

    file = tempfile.TemporaryFile()
    try:
        parquet.write_table(pyarrow.Table.from_pandas(frame), file)
        file.seek(0)
        # The types that come back depend on the versions of both packages, not on the values.
        if _types(parquet.read_schema(file).empty_table().to_pandas()) == _types(frame):
            return file
    except (pyarrow.ArrowException, UnicodeError):
        pass
    except BaseException:
        file.close()
        raise
    file.close()
    return None


def _types(frame: Any) -> Tuple[Any, ...]:
    index, labels = frame.index, frame.columns
    return type(index), index.dtype, index.name, labels.dtype, list(labels), list(frame.dtypes)


def _suits_parquet(frame: Any, pandas: Any) -> bool:
    """Whether it has only what Parquet holds exactly: some columns under texts, of plain types, and a plain index."""
    labels, index = frame.columns, frame.index
    if frame.attrs or not len(labels) or type(labels) is not pandas.Index or labels.name is not None:
        return False
    if not labels.is_unique or not all(type(label) is str and not label.startswith("__index_") for label in labels):
        return False
    if type(index) not in (pandas.Index, pandas.RangeIndex, pandas.DatetimeIndex):
        return False
    if getattr(index, "freq", None) is not None:
        return False
    if index.name is not None and (type(index.name) is not str or index.name in labels):
        return False
    return _is_exact(index, pandas) and all(_is_exact(frame[label], pandas) for label in labels)


def _is_exact(values: Any, pandas: Any) -> bool:
    dtype = values.dtype
    if isinstance(dtype, (pandas.DatetimeTZDtype, pandas.StringDtype, pandas.BooleanDtype)):
        return True
    if type(dtype).__module__.partition(".")[0] != "numpy":
        return isinstance(values.array, pandas.arrays.IntegerArray)
    if dtype.kind == "O":
        return all(value is None or type(value) is str for value in values)
    return dtype.isnative and dtype.kind in "biuM" or dtype.isnative and dtype in ("f4", "f8")
