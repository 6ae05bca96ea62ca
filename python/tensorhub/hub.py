"""The names of TensorLayer's ``tl.db.TensorHub``, of both of its generations, over a hub."""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, List, Optional, Tuple

from . import attempt, content, errors, server, values
from .changes import Changes
from .connection import Client, unix_connector, url_connector
from .datasets import DataSets
from .logs import Logs
from .models import Models
from .tasks import Tasks


class TensorHub(DataSets, Models, Logs, Tasks, Changes):
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
            # A login in front of the host is not used, but it may be one.
            scheme, _, rest = address.partition("://")
            authority, slash, path = rest.partition("/")
            self._address = scheme + "://" + authority.rpartition("@")[2] + slash + path
            self._client = Client(connector, token or _token(token_file), prefix, name="the hub at " + self._address)
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
            errors.say("the project is %s (TENSORHUB_PROJECT), not the script's %s" % (given, argument))
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
            errors.say("the project is %s (%s), not %s" % (served, origin, self.project_name))
        self.project_name = served

    def find(self, words: str, limit: int = 20) -> List[Dict[str, Any]]:
        """Looks for a few words in names, tags and descriptions of data sets, models and tasks, the newest first.

        :param words: Also conditions, all of which must hold: ``"mnist accuracy>0.9 age<7d"``; docs/filters.md.
        :param limit: At most so many, of all kinds together; 1000 is the most.
        :returns: ``{"kind": "task" | "dataset" | "model", "document": {...}}`` each; the document without script and
            files. Where the search ended, after a second, before all was looked at, standard error says so.
        :raises errors.InvalidInput: for conditions that cannot be understood; names the word and its place.
        """
        if not isinstance(words, str):
            raise errors.invalid("words", "words: %r is no text such as 'mnist accuracy>0.9'" % (words,))
        query = {"q": values.checked_text(words, "words: %r" % (words,), "words"), "limit": str(limit)}
        answer = self._client.call("GET", "/v1/find", query)
        if answer["cut"]:
            errors.say("the search ended before all was looked at: older ones may be missing")
        found: List[Dict[str, Any]] = answer["found"]
        return found

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
