"""The names of TensorLayer's ``tl.db.TensorHub``, of both of its generations, over a hub."""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from . import arrays, attempt, content, errors, model, server, values
from .connection import Client, unix_connector, url_connector
from .tasks import Tasks

Sort = Union[None, str, Dict[str, int], Sequence[Tuple[str, int]]]


class TensorHub(Tasks):
    """Data sets, models, logs and tasks of one project.

    Takes the arguments of TensorLayer's ``TensorHub``. Where it connects to, the first that applies:

    1. Inside a task: the runner's script API. The arguments say nothing then, and tasks can be neither created nor
       deleted.
    2. ``url=``, or else ``uri=``.
    3. ``TENSORHUB_URL`` or ``TENSORHUB_URI`` (with ``TENSORHUB_PROJECT``) in the environment: whoever runs a script
       knows better than its text where the database is.
    4. MongoDB at ``ip`` and ``port``.

    For a MongoDB it starts a private ``tensorhub serve``, which ends with this process.
    """

    def __init__(
        self,
        ip: str = "localhost",
        port: int = 27017,
        dbname: str = "dbname",
        username: Optional[str] = "None",
        password: Optional[str] = "password",
        project_name: Optional[str] = None,
        *,
        uri: Optional[str] = None,
        url: Optional[str] = None,
        token: Optional[str] = None,
        token_file: Optional[str] = None,
        cafile: Optional[str] = None,
    ) -> None:
        """
        :param ip: MongoDB's host.
        :param username: A user of the database; ``None`` or TensorLayer's ``'None'`` for no authentication.
        :param project_name: ``TENSORHUB_PROJECT`` or the name of the script unless given. A shared ``tensorhub serve``
            has one project, which is then this hub's.
        :param uri: MongoDB's connection string.
        :param url: A shared ``tensorhub serve``: ``http://127.0.0.1:8321`` or ``https://...``.
        :param token: Its token; else read from ``token_file`` or the file that ``TENSORHUB_TOKEN_FILE`` names.
        :param cafile: The certificate, in PEM, that an ``https://`` address is trusted by; else the machine's.
        :raises errors.InvalidInput: names an argument that cannot be.
        :raises errors.Unreachable: when nobody answers; names the address.
        """
        self.ip, self.port, self.dbname, self.username = ip, port, dbname, username
        self.is_attempt = attempt.is_attempt()
        self._uri: Optional[str] = None
        self._downloads = content.Downloads()
        environment = os.environ
        if self.is_attempt:
            self._client = attempt.attempt_client()
            self.project_name = environment.get("TENSORHUB_PROJECT") or project_name or "default"
            self._address = "the runner of this task"
            return
        is_given = url is not None or uri is not None
        self.project_name = self._project(project_name, prefers_argument=is_given)
        address = url or (environment.get("TENSORHUB_URL") if uri is None else None)
        if address:
            connector, prefix = url_connector(address, cafile or environment.get("TENSORHUB_CA_FILE"))
            self._client = Client(connector, token or _token(token_file), prefix, name="the hub at " + address)
            self._address = address
            try:
                self._take_project_of_hub(None if address == url else "TENSORHUB_URL", project_name)
            except BaseException:
                self._client.close()
                raise
            return
        self._uri, origin = uri, "uri="
        if not self._uri:
            self._uri, origin = _environment_uri()
        if not self._uri:
            self._uri, origin = server.uri_of(ip, port, dbname, username, password), "ip and port"
        private = server.serve(self._uri, self.project_name, origin)
        name = "the private `tensorhub serve` for MongoDB at %s, given by %s" % (server.address_of(self._uri), origin)
        self._client = Client(unix_connector(private.socket), excuse=private.complaint, name=name)
        self._address = "a private `tensorhub serve`"

    @staticmethod
    def _project(argument: Optional[str], prefers_argument: bool) -> str:
        given = os.environ.get("TENSORHUB_PROJECT")
        if argument and given and argument != given and not prefers_argument:
            print(
                "tensorhub: the project is %s (TENSORHUB_PROJECT), not the script's %s" % (given, argument),
                file=sys.stderr,
                flush=True,
            )
            return given
        # TensorLayer: the name of the script.
        script = os.path.basename(sys.argv[0] if sys.argv else "").split(".")[0]
        return argument or given or script or "default"

    def _take_project_of_hub(self, variable: Optional[str], argument: Optional[str]) -> None:
        """A shared hub has one project; what would work on another, and perhaps delete all of it, is told.

        :param variable: What named the hub, where no argument did.
        :raises errors.InvalidInput: for an argument against an argument.
        """
        served = self._client.call("GET", "/v1/health").get("project")
        if not served:
            return
        if argument and argument != served and variable is None:
            raise errors.invalid(
                "project_name",
                "project_name: the hub at %s serves project %r alone, not %r; leave project_name= out, or give the url= "
                "of a hub for %r" % (self._address, served, argument, argument),
            )
        is_named = argument or os.environ.get("TENSORHUB_PROJECT")
        if is_named and self.project_name != served:
            origin = "the hub at " + self._address if variable is None else variable
            print(
                "tensorhub: the project is %s (%s), not %s" % (served, origin, self.project_name),
                file=sys.stderr,
                flush=True,
            )
        self.project_name = served

    def close(self) -> None:
        """Closes the connections. A private server goes on until the process ends, for others to use."""
        self._client.close()

    def __enter__(self) -> "TensorHub":
        return self

    def __exit__(self, *unused: Any) -> None:
        self.close()

    def __str__(self) -> str:
        return "TensorHub: project %s, through %s" % (self.project_name, self._address)

    def __repr__(self) -> str:
        return "<%s>" % self

    # MARK: Data sets

    def save_dataset(
        self,
        dataset: Any = None,
        dataset_name: Optional[str] = None,
        *,
        shards: Optional[int] = None,
        allow_pickle: bool = False,
        **tags: Any,
    ) -> Dict[str, Any]:
        """Saves a data set under a name; one of that name gets a new version.

        :param dataset: An array; a dictionary, tuple or list of arrays, also nested and with numbers and texts between
            them; bytes; the path of a file or a folder.
        :param shards: Cuts the arrays along their first axis into that many pieces, to be read one by one.
        :param allow_pickle: Whether anything else is stored as a pickle.
        :param tags: What it is found by, and a description.
        :returns: The document. In a task what it will be: its version, files and ``dataset_id`` are set on delivery.
        :raises TypeError: for what is none of these.
        """
        self._need_name("dataset_name", dataset_name)
        if dataset is None:
            raise TypeError("dataset: there is none")
        files = arrays.content_of(dataset, shards, allow_pickle)
        return content.save(self._client, "datasets", str(dataset_name), files, tags)

    def find_top_dataset(
        self,
        dataset_name: Optional[str] = None,
        sort: Sort = None,
        version: Optional[int] = None,
        shard: Union[None, str, Tuple[int, int]] = None,
        allow_pickle: bool = False,
        **filter: Any,
    ) -> Any:
        """Finds the first data set that matches and loads it in the form in which it was saved.

        Files and folders are given as the path of a read-only copy on this machine. An array of 1 MiB and more is mapped
        from such a copy; changes to it stay in memory.

        Several files that no client has described, as `tensorhub dataset put a.npy b.npz` stores them, are a dictionary
        of the array or the dictionary of each, under its name without extension.

        :param dataset_name: ``None`` for any; TensorLayer raised.
        :param sort: ``[("time", -1)]``; unless given, the newest version comes first, of any name the newest data set.
        :param shard: ``(i, n)``: only the pieces i, i + n, ... from 0.
        :param allow_pickle: Whether a pickle may be loaded, as TensorLayer saved everything. It can run any code.
        :returns: ``False`` if nothing matches, as with TensorLayer; the names near it are told on standard error.
        :raises errors.HubError: for everything else that goes wrong.
        """
        found = self._find("datasets", dataset_name, sort, version, filter, shard=shard)
        return False if found is None else arrays.value_of(found, allow_pickle)

    find_dataset = find_top_dataset

    def find_datasets(
        self,
        dataset_name: Optional[str] = None,
        sort: Sort = None,
        version: Optional[int] = None,
        allow_pickle: bool = False,
        **filter: Any,
    ) -> List[Any]:
        """Finds all data sets that match, of any name unless one is given, and loads them.

        :meth:`list_datasets` tells what there is without loading it.
        """
        result = []
        for document in self.list_datasets(dataset_name, sort, version, **filter):
            found = self._find("datasets", None, None, None, {"_id": document["_id"]})
            if found is not None:
                result.append(arrays.value_of(found, allow_pickle))
        return result

    find_all_datasets = find_datasets

    def list_datasets(
        self,
        dataset_name: Optional[str] = None,
        sort: Sort = None,
        version: Optional[int] = None,
        limit: Optional[int] = None,
        **filter: Any,
    ) -> List[Dict[str, Any]]:
        """The documents of all data sets that match, without what is in them."""
        return self._list("datasets", dataset_name, sort, version, limit, filter)

    def delete_datasets(
        self, dataset_name: Optional[str] = None, version: Optional[int] = None, *, force: bool = False, **filter: Any
    ) -> int:
        """Deletes all data sets that match, with their content; returns how many.

        Without any argument all data sets of the project, as with TensorLayer.

        :param force: Whether also those in the lineage of a model.
        :raises errors.HubError: with code ``wrong-state`` where one is in the lineage of a model; then none is deleted.
        """
        query = {"name": dataset_name, "version": version, "force": "true" if force else None}
        return self._delete("/v1/datasets", query, filter)

    delete_dataset = delete_datasets

    # MARK: Models

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
        return self._list("models", model_name, sort, version, limit, filter)

    def delete_model(
        self, model_name: Optional[str] = None, version: Optional[int] = None, *, force: bool = False, **filter: Any
    ) -> int:
        """Deletes all models that match, with their parameters; returns how many.

        Without any argument all models of the project, as with TensorLayer.

        :param force: Whether also those that hold a stage.
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

    # MARK: Logs

    def save_training_log(self, **entry: Any) -> bool:
        """Adds an entry to the log of the training; the time is added. Returns ``True``: in a task once it is queued."""
        return self._save_log("training", entry)

    def save_validation_log(self, **entry: Any) -> bool:
        """Adds an entry to the log of the validation; the time is added. Returns ``True``: in a task once it is queued."""
        return self._save_log("validation", entry)

    def save_testing_log(self, **entry: Any) -> bool:
        """Adds an entry to the log of the testing; the time is added. Returns ``True``: in a task once it is queued."""
        return self._save_log("testing", entry)

    def find_training_log(self, sort: Sort = None, limit: Optional[int] = None, **filter: Any) -> List[Dict[str, Any]]:
        """The entries of the log of the training that match, oldest first unless sorted otherwise."""
        return self._find_log("training", sort, limit, filter)

    def find_validation_log(self, sort: Sort = None, limit: Optional[int] = None, **filter: Any) -> List[Dict[str, Any]]:
        """The entries of the log of the validation that match, oldest first unless sorted otherwise."""
        return self._find_log("validation", sort, limit, filter)

    def find_testing_log(self, sort: Sort = None, limit: Optional[int] = None, **filter: Any) -> List[Dict[str, Any]]:
        """The entries of the log of the testing that match, oldest first unless sorted otherwise."""
        return self._find_log("testing", sort, limit, filter)

    find_training_logs = find_training_log
    find_validation_logs = find_validation_log
    find_testing_logs = find_testing_log

    def delete_training_log(self, **filter: Any) -> int:
        """Deletes the entries of the log of the training that match, all of the project without a filter; returns how many."""
        return self._delete("/v1/logs/training", {}, filter)

    def delete_validation_log(self, **filter: Any) -> int:
        """Deletes the entries of the log of the validation that match, all of the project without a filter; returns how many."""
        return self._delete("/v1/logs/validation", {}, filter)

    def delete_testing_log(self, **filter: Any) -> int:
        """Deletes the entries of the log of the testing that match, all of the project without a filter; returns how many."""
        return self._delete("/v1/logs/testing", {}, filter)

    def _save_log(self, kind: str, entry: Dict[str, Any]) -> bool:
        if self.is_attempt:
            attempt.report(entry, kind=kind)
            return True
        document = {"_id": {"$oid": values.new_id()}}
        document.update({name: values.encode(value, name) for name, value in entry.items()})
        if "_id" in entry:
            raise errors.invalid("_id", "_id is set by the hub; give the value another name")
        self._client.call("POST", "/v1/logs/" + kind, None, values.dumps(document))
        return True

    def _find_log(self, kind: str, sort: Sort, limit: Optional[int], filter: Dict[str, Any]) -> List[Dict[str, Any]]:
        if self.is_attempt:
            attempt.flush()
        result: List[Dict[str, Any]] = self._client.call("GET", "/v1/logs/" + kind, self._query(filter, sort, limit=limit))
        return result

    # MARK: Requests

    @staticmethod
    def _need_name(role: str, name: Optional[str]) -> None:
        if name is None:
            raise errors.invalid(role, "%s is None; give a name" % role)

    def _find(
        self,
        collection: str,
        name: Optional[str],
        sort: Sort,
        version: Optional[int],
        filter: Dict[str, Any],
        shard: Union[None, str, Tuple[int, int]] = None,
        stage: Optional[str] = None,
    ) -> Optional[content.Found]:
        query = self._query(filter, sort, version=version, stage=stage)
        if shard is not None:
            query["shard"] = _shard(shard)
        found = content.find(self._client, collection, name, query, self._downloads)
        if found is None:
            print("tensorhub: %s" % (self._downloads.last_miss or "nothing was found"), file=sys.stderr, flush=True)
        return found

    def _list(
        self,
        collection: str,
        name: Optional[str],
        sort: Sort,
        version: Optional[int],
        limit: Optional[int],
        filter: Dict[str, Any],
    ) -> List[Dict[str, Any]]:
        query = self._query(filter, sort, name=name, version=version, limit=limit)
        result: List[Dict[str, Any]] = self._client.call("GET", "/v1/" + collection, query)
        return result

    def _delete(self, path: str, query: Dict[str, Any], filter: Dict[str, Any]) -> int:
        # Everything at once is deleted only where that is spelled out.
        parameters = {"filter": "{}", **self._query(filter, None, **query)}
        return int(self._client.call("DELETE", path, parameters).get("deleted", 0))


def _shard(shard: Any) -> str:
    if isinstance(shard, str):
        return shard
    try:
        index, count = shard
        return "%d/%d" % (index, count)
    except (TypeError, ValueError):
        raise errors.invalid("shard", "shard: %r is no (i, n), piece i of n from 0" % (shard,)) from None


def _token(path: Optional[str]) -> Optional[str]:
    path = path or os.environ.get("TENSORHUB_TOKEN_FILE")
    if not path:
        return None
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def _environment_uri() -> Tuple[Optional[str], str]:
    """The connection string and the variable that it is from."""
    uri, origin = os.environ.get("TENSORHUB_URI"), "TENSORHUB_URI"
    path = os.environ.get("TENSORHUB_URI_FILE")
    if not uri and path:
        with open(path, encoding="utf-8") as file:
            uri, origin = file.read().strip(), "TENSORHUB_URI_FILE"
    return uri or None, origin
