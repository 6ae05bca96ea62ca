"""Files of data sets and models on their way to the hub and back."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import tempfile
import urllib.parse
from typing import Any, BinaryIO, Dict, List, NamedTuple, Optional, Tuple, Union

from . import errors, values
from .connection import PIECE, Client


#: How often files are read that change meanwhile.
TRIES = 3


class Part(NamedTuple):
    """A file to be saved."""

    path: str
    #: Bytes, the path of a local file, or an open file.
    source: Union[bytes, str, BinaryIO]
    mode: int = 0o644


class Content(NamedTuple):
    """What a data set or the parameters of a model consist of."""

    #: ``file``, ``folder`` or ``arrays``.
    kind: str
    parts: List[Part]
    #: How the parts are put together again.
    form: Optional[str] = None
    #: The folder that the parts are all files of.
    folder: Optional[str] = None


class Found(NamedTuple):
    """A data set or model that was found, with its files on this machine."""

    document: Dict[str, Any]
    #: Its own path and the local one of each file, in order.
    files: List[Tuple[str, str]]
    #: The folder that has them all.
    folder: Optional[str]

    @property
    def kind(self) -> Optional[str]:
        """``None`` for one that TensorLayer saved."""
        return hub_of(self.document).get("kind")

    @property
    def count(self) -> int:
        """How many files the whole has, also where only a piece of it was asked for."""
        files = hub_of(self.document).get("files")
        return max(len(self.files), len(files) if isinstance(files, list) else 0)

    @property
    def form(self) -> Optional[str]:
        """How the files are put together again."""
        return hub_of(self.document).get("form")


def hub_of(document: Dict[str, Any]) -> Dict[str, Any]:
    """What the hub itself has set of a document; nothing in one that TensorLayer saved."""
    hub = document.get("hub")
    return hub if isinstance(hub, dict) else {}


def files_of(path: Union[str, "os.PathLike[str]"], role: str) -> Content:
    """The file or folder at a path as content."""
    path = os.fspath(path)
    if os.path.isdir(path):
        parts = sorted(_walk(path, "", role))
        if not parts:
            raise errors.invalid(role, "%s: the folder %s has no files" % (role, path))
        return Content("folder", parts, None, path)
    if not os.path.exists(path):
        raise FileNotFoundError(2, "%s: there is no file or folder of that name" % role, path)
    if not os.path.isfile(path):
        raise errors.invalid(role, "%s: %s is neither a file nor a folder" % (role, path))
    name = os.path.basename(os.path.abspath(path))
    values.checked_text(name, "%s: the name %r" % (role, name), role)
    return Content("file", [Part(name, path, os.stat(path).st_mode & 0o777)])


def _walk(folder: str, prefix: str, role: str) -> List[Part]:
    result: List[Part] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            values.checked_text(name, "%s: the name %r in %s" % (role, name, folder), role)
            if entry.is_dir(follow_symlinks=False):
                result += _walk(entry.path, name + "/", role)
            elif entry.is_file():
                result.append(Part(name, entry.path, entry.stat().st_mode & 0o777))
            else:
                raise errors.invalid(
                    role, "%s: %s is neither a file nor a folder, or a link to a folder" % (role, entry.path)
                )
    return result


# MARK: Saving


def save(
    client: Client,
    collection: str,
    name: str,
    content: Optional[Content],
    tags: Dict[str, Any],
    architecture: Optional[Any] = None,
) -> Dict[str, Any]:
    """Uploads the files and saves the document that refers to them; all or nothing. Closes the content's open files.

    :param collection: ``datasets`` or ``models``.
    :returns: The document, as it is or will be stored.
    """
    with contextlib.ExitStack() as files:
        for part in content.parts if content is not None else ():
            if not isinstance(part.source, (bytes, str)):
                files.enter_context(part.source)
        _check_name(name, collection)
        body: Dict[str, Any] = {"_id": {"$oid": values.new_id()}, "tags": values.encode(tags, "tags")}
        if architecture is not None:
            body["architecture"] = architecture
        if content is not None:
            body["kind"] = content.kind
            if content.form is not None:
                body["form"] = content.form
        for last in (False, True):
            if content is not None:
                body["files"] = _upload_unchanged(client, content)
            try:
                answer = client.call("PUT", "/v1/%s/%s" % (collection, _quoted(name)), None, values.dumps(body))
            except errors.HubError as error:
                # The runner's daemon was restarted in between and knows nothing of the uploads.
                if last or content is None or not _is_about_uploads(error):
                    raise
                continue
            document = answer.get("document", answer)
            return document if isinstance(document, dict) else {}
    raise AssertionError


def _is_about_uploads(error: errors.HubError) -> bool:
    return error.status in (400, 404) and ("upload" in (error.field or "") or "upload" in str(error))


def _upload_unchanged(client: Client, content: Content) -> List[Dict[str, Any]]:
    """Uploads the files as they were at one moment, which a file that is being written may not have."""
    for _ in range(TRIES):
        parts = _parts(content)
        before = _states(parts)
        files = [{"path": part.path, "mode": part.mode, "upload": _upload(client, part)} for part in parts]
        after = _states(_parts(content))
        if before == after:
            return files
    changed = sorted(path for path in {**before, **after} if before.get(path) != after.get(path))
    words = "%s: it was changed while it was read, %d times; save it when nothing writes to it, or save a copy"
    raise errors.invalid("files", words % (changed[0], TRIES))


def _parts(content: Content) -> List[Part]:
    return content.parts if content.folder is None else sorted(_walk(content.folder, "", "files"))


def _states(parts: List[Part]) -> Dict[str, Tuple[int, ...]]:
    paths = [part.source for part in parts if isinstance(part.source, str)]
    stats = [(path, os.stat(path)) for path in paths if os.path.exists(path)]
    return {path: (s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for path, s in stats}


def _upload(client: Client, part: Part) -> str:
    if isinstance(part.source, bytes):
        answer = client.upload("/v1/uploads", part.source, len(part.source))
    elif isinstance(part.source, str):
        with open(part.source, "rb") as file:
            answer = client.upload("/v1/uploads", file, os.fstat(file.fileno()).st_size)
    else:
        length = part.source.seek(0, os.SEEK_END)
        answer = client.upload("/v1/uploads", part.source, length)
    return str(answer["upload"])


# MARK: Finding


def find(
    client: Client, collection: str, name: Optional[str], query: Dict[str, Any], folder: "Downloads"
) -> Optional[Found]:
    """The first that matches, its files on this machine; ``None`` where nothing does.

    :param name: ``None`` for any.
    """
    if name is not None:
        _check_name(name, collection)
    path = "/v1/%s/%s" % (collection, "-" if name is None else _quoted(name))
    try:
        answer = client.call("GET", path, query)
    except errors.NotFound as error:
        if error.code != "not-found":
            raise
        folder.last_miss = error
        return None
    document = answer["document"]
    files = []
    for file in answer.get("files", []):
        local = file.get("local")
        files.append((file["path"], local or folder.get(client, path, document, file)))
    local_folder = answer.get("folder")
    if local_folder is None and files:
        local_folder = folder.folder_of(document)
    return Found(document, files, local_folder)


class Downloads:
    """Files that came over the network, in a private folder that goes away with this process."""

    def __init__(self) -> None:
        self._folder: Optional["tempfile.TemporaryDirectory[str]"] = None
        #: What the hub said when nothing was found.
        self.last_miss: Optional[errors.NotFound] = None

    def folder_of(self, document: Dict[str, Any]) -> str:
        """The folder of one data set or model."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="tensorhub-")
        return os.path.join(self._folder.name, str(document.get("_id")))

    def get(self, client: Client, route: str, document: Dict[str, Any], file: Dict[str, Any]) -> str:
        """Downloads a file unless it is there, goes on where a connection broke, and compares the hash."""
        relative = str(file["path"])
        if relative.startswith("/") or ".." in relative.split("/"):
            raise ValueError("the file %r leaves its folder; it is not fetched" % relative)
        target = os.path.join(self.folder_of(document), relative)
        if os.path.exists(target):
            return target
        os.makedirs(os.path.dirname(target), exist_ok=True)
        query = {"filter": values.dumps({"_id": {"$oid": str(document["_id"])}}), "file": relative}
        partial = target + ".part"
        expected = file.get("sha256")
        for _ in range(2):
            _download(client, route, query, partial)
            if not expected or _sha256(partial) == expected:
                os.chmod(partial, 0o444)
                os.rename(partial, target)
                return target
            os.remove(partial)
        words = "%s: what arrived is not what was saved (SHA-256); save it anew"
        raise errors.make(errors.HubError, words % relative, "hash-mismatch")


def _download(client: Client, route: str, query: Dict[str, Any], path: str) -> None:
    open(path, "wb").close()
    tries = 0
    while True:
        size = os.path.getsize(path)
        headers = {"Accept": "application/octet-stream"}
        if size:
            headers["Range"] = "bytes=%d-" % size
        connection, response = client.persist(lambda: client.open("GET", route, query, None, headers))
        if response.status >= 400:
            status, data = response.status, response.read()
            client.give_back(connection, response)
            if status == 416:
                return  # there was nothing left
            raise client.error_of(status, client._json(data))
        try:
            with open(path, "ab" if response.status == 206 else "wb") as file:
                while True:
                    piece = response.read(PIECE)
                    if not piece:
                        break
                    file.write(piece)
            if response.length not in (None, 0):
                raise http.client.IncompleteRead(b"")
            client.give_back(connection, response)
            return
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if isinstance(error, OSError) and error.filename is not None or error.__class__ is OSError:
                raise  # this machine's disk
            tries = 0 if os.path.getsize(path) > size else tries + 1
            if tries >= 5:
                raise client._unreachable(error) from error


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(PIECE), b""):
            digest.update(piece)
    return digest.hexdigest()


def _quoted(name: str) -> str:
    return urllib.parse.quote(name, safe="")


def _check_name(name: Any, collection: str) -> None:
    role = "dataset_name" if collection == "datasets" else "model_name"
    if isinstance(name, str) and ("/" in name or "\0" in name):
        raise errors.invalid(role, "%s: %r holds a character that no name may have: '/' or NUL" % (role, name))
    values.checked_name(name, role)
