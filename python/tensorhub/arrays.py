"""Python values as files of arrays and back: ``.npy`` for one array, ``.npz`` for several, pickles only on request."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
import zipfile
from typing import Any, BinaryIO, Dict, List, Optional, Sequence, Tuple

from . import conversion, errors, frames
from .content import Content, Found, Part, files_of

#: Bytes of a description of nested values at most.
LONGEST_FORM = 64 << 10
#: Bytes from which on an array is mapped instead of read.
MAPPED_FROM = 1 << 20

#: What the files of `shards=` are called, and only they are put together again.
PIECE_NAME = "%05d-of-%05d"

_SIMPLE: Dict[type, str] = {tuple: "tuple", list: "list", dict: "dict"}


def content_of(value: Any, shards: Optional[int] = None, allow_pickle: bool = False) -> Content:
    """The files for a value.

    :param shards: How many pieces along the first axis the arrays are cut into.
    :raises TypeError: for what is neither array nor made of arrays, unless pickling is allowed.
    """
    if isinstance(value, (bytes, bytearray)) or isinstance(value, memoryview) and value.format == "B" and value.ndim == 1:
        content = Content("file", [Part("data", bytes(value))], "bytes")
    elif isinstance(value, (str, os.PathLike)):
        content = files_of(value, "dataset")
    elif frames.is_frame(value):
        return _frame(value, shards, allow_pickle)
    else:
        return _arrays(value, shards, allow_pickle)
    if shards is not None:
        raise errors.invalid("shards", "shards: only arrays are cut; give a folder with one file for each piece")
    return content


def _frame(value: Any, shards: Optional[int], allow_pickle: bool) -> Content:
    try:
        return frames.content_of(value, shards)
    except TypeError as error:
        if not allow_pickle:
            words = "%s; or pass allow_pickle=True to store a pickle, which only those can load who allow the same"
            raise TypeError(words % error) from None
    return Content("file", [Part("data.pickle", _pickled(value))], "pickle")


def _arrays(value: Any, shards: Optional[int], allow_pickle: bool) -> Content:
    arrays: List[Tuple[str, Any]] = []
    try:
        form = _form(value, arrays)
        if not arrays:
            raise TypeError("a dataset of type %s without any array cannot be stored as arrays" % type(value).__name__)
    except TypeError as error:
        if not allow_pickle:
            raise TypeError(
                "%s; give arrays, or dictionaries, tuples or lists of them, or a path, or pass allow_pickle=True to store "
                "a pickle, which only those can load who allow the same" % error
            ) from None
        if shards is not None:
            raise errors.invalid("shards", "shards: a pickle is not cut; give arrays") from None
        return Content("file", [Part("data.pickle", _pickled(value))], "pickle")
    if shards is None:
        return Content("arrays", [_part("data", form, arrays)], form)
    pieces = _cut(arrays, shards)
    names = [PIECE_NAME % (index, shards) for index in range(shards)]
    return Content("arrays", [_part(name, form, piece) for name, piece in zip(names, pieces)], form)


def _pickled(value: Any) -> BinaryIO:
    import pickle

    file = tempfile.TemporaryFile()
    try:
        pickle.dump(value, file, protocol=4)
    except BaseException:
        file.close()
        raise
    return file


def as_array(value: Any, where: str = "dataset") -> Any:
    """An array of NumPy for an array or a tensor of PyTorch, TensorFlow or JAX; ``None`` for anything else.

    :raises TypeError: for an array that is more than its values, such as a mask.
    """
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ma.MaskedArray):
        words = "%s is a masked array, whose mask a file of arrays lacks; give x.filled(...), or {'data': x.data, 'mask': x.mask}"
        raise TypeError(words % where)
    if numpy is not None and isinstance(value, numpy.ndarray):
        if type(value) not in conversion.plain_kinds(numpy):
            words = "%s is a %s, of which a file of arrays holds the values alone; give numpy.asarray(x)"
            raise TypeError(words % (where, type(value).__name__))
        return numpy.asarray(value)
    if numpy is not None and isinstance(value, numpy.generic):
        return numpy.asarray(value)
    if isinstance(value, type):
        return None
    if callable(getattr(value, "detach", None)):
        value = value.detach()
        if callable(getattr(value, "cpu", None)):
            value = value.cpu()
    if callable(getattr(value, "numpy", None)) and hasattr(value, "shape"):
        return value.numpy()
    is_array = hasattr(value, "__array__") and hasattr(value, "shape") and hasattr(value, "dtype")
    if is_array and not hasattr(value, "iloc") and not conversion._is_table(value):
        import numpy as np

        return np.asarray(value)
    return None


# MARK: Forms


def _form(value: Any, arrays: List[Tuple[str, Any]]) -> str:
    """How the arrays make up the value; collects them under their names in the file."""
    array = as_array(value)
    if array is not None:
        arrays.append(("data", checked(array, "dataset")))
        return "array"
    kind = _SIMPLE.get(type(value))
    if kind == "dict" and value and all(type(key) is str and _is_member(key) for key in value):
        members = [(key, as_array(item, "dataset[%r]" % key)) for key, item in value.items()]
    elif kind in ("tuple", "list") and value:
        members = [("arr_%d" % index, as_array(item, "dataset[%d]" % index)) for index, item in enumerate(value)]
    else:
        members = []
    if members and all(array is not None for _, array in members):
        arrays += [(name, checked(array, name)) for name, array in members]
        return kind or ""
    tree = _tree(value, "dataset", arrays)
    form = "tree " + json.dumps(tree, separators=(",", ":"), sort_keys=False)
    if len(form) > LONGEST_FORM:
        raise TypeError("the numbers and texts beside the arrays take more than %d KiB" % (LONGEST_FORM >> 10))
    return form


def _tree(value: Any, where: str, arrays: List[Tuple[str, Any]]) -> Any:
    """Nested values: a number stands for the array of that index, everything else is spelled out."""
    if len(where) > 10_000:
        raise TypeError("it nests too deep, or contains itself")
    array = as_array(value, where)
    if array is not None:
        arrays.append(("arr_%d" % len(arrays), checked(array, where)))
        return len(arrays) - 1
    if value is None or type(value) in (bool, int, float, str):
        return {"value": value}
    for key in value if type(value) is dict else ():
        if type(key) is not str:
            raise TypeError("%s has the key %r of type %s; keys are texts" % (where, key, type(key).__name__))
    if type(value) is dict:
        return {"dict": {key: _tree(item, "%s[%r]" % (where, key), arrays) for key, item in value.items()}}
    if type(value) in (tuple, list):
        return {_SIMPLE[type(value)]: [_tree(item, "%s[%d]" % (where, i), arrays) for i, item in enumerate(value)]}
    raise TypeError("%s is of type %s" % (where, type(value).__name__))


def _grown(tree: Any, arrays: Sequence[Any]) -> Any:
    if isinstance(tree, int):
        return arrays[tree]
    ((kind, inner),) = tree.items()
    if kind == "value":
        return inner
    if kind == "dict":
        return {key: _grown(item, arrays) for key, item in inner.items()}
    items = [_grown(item, arrays) for item in inner]
    return tuple(items) if kind == "tuple" else items


def checked(array: Any, where: str) -> Any:
    """The array, where a file brings it back with its type.

    :raises TypeError: where NumPy's files do not.
    """
    dtype = array.dtype
    if dtype.kind == "T":
        raise TypeError("%s is an array of texts of any length, which .npy files do not hold; give x.astype('U')" % where)
    if dtype.hasobject:
        raise TypeError("%s is an array of Python objects" % where)
    if dtype.isbuiltin == 1 and dtype.metadata is None and dtype.kind in "biufc":
        return array
    from numpy.lib import format as npy

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            is_kept = npy.descr_to_dtype(npy.dtype_to_descr(dtype)) == dtype
    except (TypeError, ValueError, Warning):
        is_kept = False
    if not is_kept:
        words = "%s is an array of type %s, which .npy files do not hold; give it in another type, such as x.astype(numpy.float32)"
        raise TypeError(words % (where, dtype if dtype.names is None else "%r" % dtype))
    return array


def _is_member(name: str) -> bool:
    """Whether NumPy reads it back as the name of an array in a file."""
    if not name or "\0" in name or name.startswith("/") or "\\" in name or name.endswith(".npy"):
        return False
    try:
        return len(name.encode("utf-8")) < 60_000
    except UnicodeEncodeError:
        return False


# MARK: Files


def _part(name: str, form: str, arrays: List[Tuple[str, Any]]) -> Part:
    file = tempfile.TemporaryFile()
    if form == "array":
        from numpy.lib import format as npy

        npy.write_array(file, arrays[0][1], allow_pickle=False)
        return Part(name + ".npy", file)
    write_npz(file, arrays)
    return Part(name + ".npz", file)


def write_npz(file: BinaryIO, arrays: Sequence[Tuple[str, Any]]) -> None:
    """What ``numpy.savez`` writes, under any names."""
    from numpy.lib import format as npy

    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in arrays:
            # The same content is the same file, whenever it was written.
            info = zipfile.ZipInfo(name + ".npy", (1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o600 << 16
            with archive.open(info, "w", force_zip64=True) as member:
                npy.write_array(member, array, allow_pickle=False)


def read_npz(path: str) -> Dict[str, Any]:
    """The arrays of an ``.npz`` file, in their order. Such as hold Python objects are refused."""
    import numpy as np

    with np.load(path, allow_pickle=False) as archive:
        members = set(archive.zip.namelist())
        # By the whole name of the member: one may be called as another and `.npy`.
        return {name: archive[name + ".npy" if name + ".npy" in members else name] for name in archive.files}


def _cut(arrays: List[Tuple[str, Any]], shards: int) -> List[List[Tuple[str, Any]]]:
    import numpy as np

    if isinstance(shards, bool) or not isinstance(shards, int) or shards < 1:
        raise errors.invalid("shards", "shards: %r is no number of pieces" % (shards,))
    lengths = {array.shape[0] if array.ndim else None for _, array in arrays}
    if len(lengths) != 1 or None in lengths:
        raise errors.invalid(
            "shards", "shards: the arrays have different lengths along their first axis, so they are not cut together"
        )
    length = arrays[0][1].shape[0]
    if shards > length:
        raise errors.invalid("shards", "shards: %d pieces of %d rows would leave some empty" % (shards, length))
    cut = [(name, np.array_split(array, shards)) for name, array in arrays]
    return [[(name, pieces[index]) for name, pieces in cut] for index in range(shards)]


# MARK: Back


def value_of(found: Found, allow_pickle: bool = False, role: str = "dataset") -> Any:
    """What was saved: arrays in the form they had, bytes, or the path of the file or folder on this machine."""
    if not found.files:
        raise errors.invalid("shard", "%s: this piece has no files" % role)
    form, kind = found.form, found.kind
    if kind is None or form == "pickle":
        return _unpickled(found, allow_pickle, role)
    if kind == "file":
        path = found.files[0][1]
        if form == frames.FORM:
            return frames.read(path)
        if form != "bytes":
            return path
        with open(path, "rb") as file:
            return file.read()
    if kind == "arrays":
        if form is not None and all(_is_piece(path) for path, _ in found.files):
            return _joined([_read(path, local) for path, local in found.files], form)
        if found.count > 1:
            return _named(found.files)
        ((path, local),) = found.files
        return _joined([_read(path, local)], form) if form is not None else _alone(path, local)
    return found.folder


def _read(path: str, local: str) -> Dict[str, Any]:
    import numpy as np

    if not path.endswith(".npy"):
        return read_npz(local)
    # Changes stay in this process's memory: the file belongs to all attempts of the machine.
    mapped = "c" if os.path.getsize(local) >= MAPPED_FROM else None
    try:
        return {"data": np.load(local, mmap_mode=mapped, allow_pickle=False)}
    except ValueError:
        if mapped is None:
            raise
        return {"data": np.load(local, allow_pickle=False)}


def _is_piece(path: str) -> bool:
    stem = os.path.splitext(path)[0]
    index, _, count = stem.partition("-of-")
    return index.isdecimal() and count.isdecimal() and stem == PIECE_NAME % (int(index), int(count))


def _alone(path: str, local: str) -> Any:
    """A file by what it is: the array of an ``.npy``, the dictionary of an ``.npz``."""
    pieces = _read(path, local)
    return pieces["data"] if path.endswith(".npy") else pieces


def _named(files: Sequence[Tuple[str, str]]) -> Dict[str, Any]:
    """Files that nothing says how to put together, under their paths without extension where that tells them apart."""
    stems = [os.path.splitext(path)[0] for path, _ in files]
    names = [stem if stems.count(stem) == 1 else path for stem, (path, _) in zip(stems, files)]
    return {name: _alone(path, local) for name, (path, local) in zip(names, files)}


def _joined(pieces: List[Dict[str, Any]], form: str) -> Any:
    arrays = pieces[0]
    if len(pieces) > 1:
        arrays = {name: _concatenated([piece[name] for piece in pieces]) for name in arrays}
    if form == "array":
        return arrays["data"]
    if form == "tuple":
        return tuple(arrays.values())
    if form == "list":
        return list(arrays.values())
    if form.startswith("tree "):
        return _grown(json.loads(form[5:]), list(arrays.values()))
    return arrays


def _concatenated(pieces: Sequence[Any]) -> Any:
    import numpy as np

    # NumPy's own concatenation would take the machine's order of bytes, and lay fields out anew.
    whole = np.zeros((sum(len(piece) for piece in pieces),) + pieces[0].shape[1:], pieces[0].dtype)
    start = 0
    for piece in pieces:
        whole[start : start + len(piece)] = piece
        start += len(piece)
    return whole


def _unpickled(found: Found, allow_pickle: bool, role: str) -> Any:
    if not allow_pickle:
        who = "TensorLayer" if found.kind is None else "somebody with allow_pickle=True"
        raise errors.invalid(
            "allow_pickle",
            "%s: this was saved as a Python pickle by %s. Loading a pickle can run any code of whoever could write to the "
            "database; if you trust them all, pass allow_pickle=True" % (role, who),
        )
    import pickle

    with open(found.files[0][1], "rb") as file:
        return pickle.load(file)
