"""Networks as an architecture and a file of parameters, and back."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from . import errors, values
from .arrays import _is_member, as_array, checked, read_npz, value_of, write_npz
from .content import Content, Found, Part, files_of, hub_of
from .display import facts


STORES_IT = "; format='safetensors' stores it"


class Model:
    """A model that was found: what it is, how good it was, and its parameters.

    Whatever was saved with it is an attribute and an item: ``model.test_accuracy``, ``model["test_accuracy"]``, and, as
    TensorLayer has it, ``model._test_accuracy``.
    """

    def __init__(self, found: Found, allow_pickle: bool = False) -> None:
        #: The whole document.
        self.document: Dict[str, Any] = found.document
        self._found = found
        self._allow_pickle = allow_pickle
        self._params: Any = None

    @property
    def name(self) -> Optional[str]:
        """``name`` if one was saved with it (as TensorLayer's scripts do), else the name of the model."""
        return self.document.get("name", self.document.get("model_name"))

    @property
    def version(self) -> Optional[int]:
        """Counts the models of a name from 1; ``None`` for one that TensorLayer saved."""
        return hub_of(self.document).get("version")

    @property
    def architecture(self) -> Any:
        """The architecture as it was saved; ``None`` if there was none."""
        return self.document.get("architecture")

    @property
    def params(self) -> Any:
        """The parameters in the form they had: a dictionary or a list of arrays; the path of a file or folder.

        :raises errors.InvalidInput: for a pickle, unless the model was looked for with ``allow_pickle=True``.
        """
        if self._params is None and self._found.files:
            self._params = _parameters(self._found, self._allow_pickle)
        return self._params

    @property
    def path(self) -> Optional[str]:
        """The file of the parameters on this machine, or the folder where there are several; read-only."""
        files = self._found.files
        return files[0][1] if len(files) == 1 else self._found.folder

    def __getattr__(self, name: str) -> Any:
        document = self.__dict__.get("document", {})
        for key in (name, name[1:] if name.startswith("_") and not name.startswith("__") else name):
            if key in document:
                return document[key]
        raise AttributeError("the model has no %r; it has %s" % (name, ", ".join(document)))

    def __getitem__(self, name: str) -> Any:
        return self.document[name]

    def __contains__(self, name: object) -> bool:
        return name in self.document

    def get(self, name: str, default: Any = None) -> Any:
        """A value that was saved with the model, or the default."""
        return self.document.get(name, default)

    def keys(self) -> List[str]:
        """The names of what was saved with the model."""
        return list(self.document)

    def __repr__(self) -> str:
        return "<Model %r, version %s>" % (self.name, self.version)

    def _repr_html_(self) -> Optional[str]:
        return facts(self.document, "model %s, version %s" % (self.name, self.version))


def _parameters(found: Found, allow_pickle: bool) -> Any:
    if len(found.files) == 1 and found.files[0][0].endswith(".safetensors"):
        return _of_safetensors(_read_safetensors(found.files[0][1]), found.form)
    path = found.files[0][0]
    if found.form == "npz" or found.form is None and found.kind is not None and found.count == 1 and path.endswith(".npz"):
        return read_npz(found.files[0][1])
    return value_of(found, allow_pickle, "model")


def _read_safetensors(path: str) -> Any:
    try:
        from safetensors.numpy import load_file
    except ImportError:
        raise ImportError(
            "the parameters are in safetensors: install that package to load them, or read the file %s" % path
        ) from None
    try:
        return load_file(path)
    except TypeError as error:  # bfloat16, which NumPy lacks
        raise TypeError(
            "the parameters are no arrays of NumPy (%s); safetensors.torch reads the file %s" % (error, path)
        ) from None


def _of_safetensors(arrays: Dict[str, Any], form: Optional[str]) -> Any:
    kind = (form or "").partition(" ")[2]
    if kind == "array":
        return arrays["data"]
    if kind in ("list", "tuple"):
        items = [arrays["arr_%d" % index] for index in range(len(arrays))]
        return tuple(items) if kind == "tuple" else items
    return arrays


# MARK: Saving


class Parts(NamedTuple):
    """A network taken apart."""

    architecture: Optional[Any]
    parameters: Any
    #: Whether TensorLayer can put it together again.
    is_tensorlayer: bool = False


def parts_of(network: Any) -> Parts:
    """Architecture and parameters of a network of TensorLayer, Keras or PyTorch, by what it looks like.

    :raises TypeError: for what is none of these, nor arrays.
    """
    if isinstance(network, (str, os.PathLike, dict, list, tuple)) or as_array(network, "network") is not None:
        return Parts(None, network)
    if hasattr(network, "all_weights") and hasattr(network, "config"):  # TensorLayer 2
        return Parts(_plain(network.config), list(network.all_weights), True)
    if hasattr(network, "all_params"):  # TensorLayer 1
        graphs = getattr(network, "all_graphs", None)
        get = getattr(network, "get_all_params", None)
        return Parts({"all_graphs": _plain(graphs)}, list(get() if callable(get) else network.all_params))
    if callable(getattr(network, "state_dict", None)):  # PyTorch
        kind = type(network)
        return Parts({"class": "%s.%s" % (kind.__module__, kind.__qualname__)}, dict(network.state_dict()))
    if callable(getattr(network, "get_weights", None)):  # Keras
        config = getattr(network, "get_config", None)
        return Parts(_plain(config()) if callable(config) else None, list(network.get_weights()))
    raise TypeError(
        "network: a %s is neither a network of TensorLayer, PyTorch or Keras nor parameters; give a dictionary or a list "
        "of arrays, or the path of a file or folder, and the architecture with architecture=" % type(network).__name__
    )


def content_of(parameters: Any, file_format: str = "npz") -> Content:
    """The file of parameters.

    :param file_format: ``npz``, or ``safetensors`` where that package is there.
    """
    if file_format not in ("npz", "safetensors"):
        raise errors.invalid("format", "format: %r is neither npz nor safetensors" % (file_format,))
    if isinstance(parameters, (str, os.PathLike)):
        return files_of(parameters, "network")
    form, named = _named(parameters)
    if not named:
        raise errors.invalid("network", "network: there are no parameters")
    if file_format == "safetensors":
        return Content("file", [Part("parameters.safetensors", _safetensors(named))], "safetensors " + form)
    checked_arrays = [(name, checked(array, "parameter %r" % name)) for name, array in _arrays(named, STORES_IT)]
    if not all(_is_member(name) for name, _ in named):
        tree = {"dict": {name: index for index, (name, _) in enumerate(named)}}
        form = "tree " + json.dumps(tree, separators=(",", ":"))
        checked_arrays = [("arr_%d" % index, array) for index, (_, array) in enumerate(checked_arrays)]
    file = tempfile.TemporaryFile()
    write_npz(file, checked_arrays)
    return Content("arrays", [Part("parameters.npz", file)], form)


def _named(parameters: Any) -> Tuple[str, List[Tuple[str, Any]]]:
    """The word for how the parameters belong together, and each under its name."""
    if as_array(parameters, "network") is not None:
        return "array", [("data", parameters)]
    if isinstance(parameters, dict):
        for name in parameters:
            if not isinstance(name, str):
                raise TypeError("network has the key %r of type %s; keys are texts" % (name, type(name).__name__))
        return "dict", [(str.__str__(name), value) for name, value in parameters.items()]
    if type(parameters) not in (list, tuple):
        raise TypeError("network is of type %s; give a dictionary or a list of arrays" % type(parameters).__name__)
    return type(parameters).__name__, [("arr_%d" % i, value) for i, value in enumerate(parameters)]


def _arrays(named: List[Tuple[str, Any]], remedy: str = "") -> List[Tuple[str, Any]]:
    arrays: List[Tuple[str, Any]] = []
    for name, value in named:
        try:
            array = as_array(value, "it")
        except TypeError as error:  # PyTorch's bfloat16, which NumPy lacks, or a mask
            is_numpys = type(value).__module__.partition(".")[0] == "numpy"
            raise TypeError("parameter %r: %s%s" % (name, error, "" if is_numpys else remedy)) from None
        if array is None or array.dtype.hasobject:
            raise TypeError("parameter %r is of type %s, which is no array" % (name, type(value).__name__))
        arrays.append((name, array))
    return arrays


def _safetensors(named: List[Tuple[str, Any]]) -> bytes:
    torch = sys.modules.get("torch")
    try:
        from safetensors import SafetensorError

        if torch is not None and all(isinstance(value, torch.Tensor) for _, value in named):
            from safetensors.torch import save

            tensors = {name: value.detach().cpu().contiguous() for name, value in named}
        else:
            import numpy as np
            from safetensors.numpy import save

            tensors = {name: np.asarray(_plain_array(name, array), order="C") for name, array in _arrays(named)}
    except ImportError:
        raise ImportError("format='safetensors' needs the package safetensors; install it, or take format='npz'") from None
    try:
        data: bytes = save(tensors)
    except SafetensorError as error:  # a type that the format lacks
        raise TypeError("network: safetensors does not take it (%s); format='npz' does" % error) from None
    return data


def _plain_array(name: str, array: Any) -> Any:
    """
    :raises TypeError: for what comes back otherwise.
    """
    kind, size = array.dtype.kind, array.dtype.itemsize
    if array.dtype.isbuiltin != 1 or not (kind in "biu" or kind == "f" and size <= 8):
        words = "parameter %r is an array of type %s, which safetensors do not hold; format='npz' does, or give x.astype(numpy.%s)"
        raise TypeError(words % (name, array.dtype, "float32" if array.dtype.isnative else array.dtype.name))
    return array


def _plain(value: Any, depth: int = 0) -> Any:
    """A configuration as a document: what no document holds, such as a function, is there by its name."""
    if depth > 100:
        raise errors.invalid("architecture", "architecture: it nests deeper than 100 levels, or contains itself")
    if isinstance(value, dict):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, depth + 1) for item in value]
    try:
        return values.encode(value, "architecture")
    except TypeError:
        name = getattr(value, "__name__", None)
        return name if isinstance(name, str) else str(value)


# MARK: TensorLayer


def tensorlayer_network(model: Model) -> Any:
    """The network that TensorLayer 2 builds from the model, or ``None`` where it is not installed or cannot.

    As with the original, what was saved with the model is there with an underscore: ``net._test_accuracy``.
    """
    import importlib.util

    architecture = model.architecture
    if not isinstance(architecture, dict) or "model_architecture" not in architecture:
        return None
    if not hub_of(model.document) or importlib.util.find_spec("tensorlayer") is None:
        return None
    try:
        from tensorlayer.files import assign_weights, static_graph2net  # type: ignore[import-not-found]
    except ImportError:
        return None
    network = static_graph2net(architecture)
    assign_weights(list(model.params), network)
    for name, value in model.document.items():
        network.__dict__["_" + name] = value
    return network
