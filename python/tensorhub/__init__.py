"""TensorHub for Python: tasks, data sets, models and logs of a machine-learning team, in MongoDB.

Inside a task:

    import tensorhub
    tensorhub.hyper_parameters["learning_rate"]
    tensorhub.report(loss=0.3, step=7)
    tensorhub.save_results(test_accuracy=0.97)

and anywhere, with the names of TensorLayer's ``tl.db.TensorHub``:

    db = tensorhub.TensorHub(ip="localhost", port=27017, dbname="temp", project_name="tutorial")
    images, digits = db.find_top_dataset("mnist")

Standard library only; NumPy, safetensors and pandas are used where they are there. Nothing is read or imported before
it is asked for, so the import itself costs a task next to nothing.
"""

# True for type checkers only: `typing` itself takes longer to import than all of this.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from .attempt import checkpoint as checkpoint
    from .attempt import flush as flush
    from .attempt import progress as progress
    from .attempt import report as report
    from .attempt import result as result
    from .attempt import save_results as save_results
    from .attempt import should_stop as should_stop
    from .errors import Forbidden as Forbidden
    from .errors import HubError as HubError
    from .errors import InvalidInput as InvalidInput
    from .errors import NotFound as NotFound
    from .errors import Refused as Refused
    from .errors import Unreachable as Unreachable
    from . import db as db
    from . import integrations as integrations
    from .hub import TensorHub as TensorHub
    from .model import Model as Model
    from .values import ObjectId as ObjectId

    task: Dict[str, Any]
    hyper_parameters: Dict[str, Any]
    checkpoint_dir: Optional[str]

__version__ = "0.2.0"

_NAMES = {
    "attempt": "checkpoint flush progress report result save_results should_stop",
    "errors": "Forbidden HubError InvalidInput NotFound Refused Unreachable",
    "hub": "TensorHub",
    "model": "Model",
    "values": "ObjectId",
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_MODULES) + ["checkpoint_dir", "db", "hyper_parameters", "integrations", "saved_result_keys", "task"]


def __getattr__(name):  # type: ignore[no-untyped-def]
    module = _MODULES.get(name)
    if module is not None or name in ("db", "integrations"):
        import importlib

        value = importlib.import_module("tensorhub." + (module or name))
        value = getattr(value, name) if module else value
    elif name == "task":
        from .values import decode

        value = decode(_read_task())
    elif name == "hyper_parameters":
        from .values import decode

        value = _read_task().get("hyper_parameters")
        value = {key: decode(item) for key, item in value.items()} if isinstance(value, dict) else {}
    elif name == "checkpoint_dir":
        import os

        value = os.environ.get("TENSORHUB_CHECKPOINT_DIR")
    else:
        raise AttributeError("module 'tensorhub' has no attribute '%s'" % name)
    globals()[name] = value
    return value


def __dir__():  # type: ignore[no-untyped-def]
    return sorted(set(globals()) | set(__all__))


def saved_result_keys():  # type: () -> List[str]
    """Names of the values that the distributor wants back."""
    keys = _read_task().get("saved_result_keys")
    return [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []


def _read_task():  # type: () -> Dict[str, Any]
    import json
    import os

    path = os.environ.get("TENSORHUB_TASK_FILE")
    if not path:
        return {}
    with open(path, encoding="utf-8") as file:
        task = json.load(file)
    return task if isinstance(task, dict) else {}
