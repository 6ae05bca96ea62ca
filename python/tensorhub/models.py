"""The models of a project."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from . import content, model, values
from .project import Project, Sort


class Models(Project):
    """The part of a hub that is about models."""

    def save_model(
        self,
        network: Any = None,
        model_name: str = "model",
        *,
        architecture: Any = None,
        format: str = "npz",
        **metrics: Any,
    ) -> Dict[str, Any]:
        """Saves the architecture and the parameters of a network; one of that name gets a new version.

        :param network: A network of TensorLayer, PyTorch or Keras; a dictionary or list of arrays or tensors; the path
            of a file or folder; ``None`` where there is only an architecture.
        :param architecture: Any document; unless given, what the network says of itself.
        :param format: ``npz``, or ``safetensors`` where that package is there.
        :param metrics: What it is found and sorted by: ``test_accuracy=0.97``.
        :returns: The document. In a task what it will be: its version, files and ``params_id`` are set on delivery.
        """
        if network is None and architecture is None:
            raise TypeError("network: there is none, and no architecture")
        parts = model.Parts(None, None) if network is None else model.parts_of(network)
        files = None if network is None else model.content_of(parts.parameters, format)
        if architecture is None:
            architecture = parts.architecture
        if architecture is not None and not isinstance(architecture, dict):
            architecture = {"layers": architecture}
        encoded = None if architecture is None else values.encode(architecture, "architecture")
        return content.save(self._client, "models", model_name, files, metrics, encoded)

    def find_top_model(
        self,
        sess: Any = None,
        sort: Sort = None,
        model_name: Optional[str] = None,
        version: Optional[int] = None,
        stage: Optional[str] = None,
        allow_pickle: bool = False,
        **filter: Any,
    ) -> Any:
        """Finds the newest, oldest or best model: ``find_top_model(sort=[("test_accuracy", -1)])``.

        :param sess: TensorLayer 1's session; not used. The order may stand in its place, as in TensorLayer 2.
        :param sort: Unless given, the newest version comes first, of any name the newest model.
        :param model_name: ``None`` for any; TensorLayer took that for ``'model'``.
        :param stage: Only the version that holds it, such as ``production``.
        :returns: A :class:`~tensorhub.model.Model`; the network itself where TensorLayer 2 saved it and is installed.
            ``False`` if nothing matches, as with TensorLayer.
        :raises errors.HubError: for everything else that goes wrong.
        """
        if isinstance(sess, (list, tuple, dict)):
            sort, model_name = sess, sort if isinstance(sort, str) else model_name
        found = self._find("models", model_name, sort, version, filter, stage=stage)
        if found is None:
            return False
        result = model.Model(found, allow_pickle)
        network = model.tensorlayer_network(result)
        return result if network is None else network

    find_model = find_top_model

    def list_models(
        self,
        model_name: Optional[str] = None,
        sort: Sort = None,
        version: Optional[int] = None,
        limit: Optional[int] = None,
        **filter: Any,
    ) -> List[Dict[str, Any]]:
        """The documents of all models that match: architecture and metrics, without parameters."""
        return self._list("/v1/models", filter, sort, name=model_name, version=version, limit=limit)

    def delete_model(
        self, model_name: Optional[str] = None, version: Optional[int] = None, *, force: bool = False, **filter: Any
    ) -> int:
        """Deletes all models that match, with their parameters; returns how many.

        Without any argument all models of the project, as with TensorLayer.

        :param force: Whether also those that hold a stage.
        :raises errors.InvalidInput: for a version without a name.
        :raises errors.HubError: with code ``wrong-state`` where one holds a stage; then none is deleted.
        """
        query = {"name": model_name, "version": version, "force": "true" if force else None}
        return self._delete("/v1/models", query, filter)

    delete_models = delete_model

    def set_stage(self, model_name: str, stage: str, version: Optional[int] = None) -> Dict[str, Any]:
        """Gives a stage, such as ``production``, to one version of a model and takes it from all others."""
        path = "/v1/models/%s/stages/%s" % (content._quoted(model_name), content._quoted(stage))
        answer = self._client.call("PUT", path, {"version": version} if version is not None else None)
        document: Dict[str, Any] = answer.get("document", answer)
        return document
