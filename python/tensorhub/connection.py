"""HTTP to the hub: over a Unix socket, TCP or TLS, on connections that are kept and shared by threads."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
import time
import urllib.parse
from typing import Any, BinaryIO, Callable, Dict, List, Optional, Tuple, Union

from . import errors
from .values import decode

Body = Union[bytes, BinaryIO, None]

#: Seconds that a TCP connection may be silent. Over a Unix socket the end of the other side is always noticed.
SILENCE = 600.0
#: Seconds between two tries, from the first to the longest.
PAUSES = (0.05, 2.0)
#: Seconds for which a client that is not patient asks again while the hub says that it is busy.
BUSY = 60.0
#: Bytes at once.
PIECE = 1 << 20
#: Connections that wait for the next request at most.
KEPT = 16


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: Optional[float] = None) -> None:
        super().__init__("localhost", timeout=timeout, blocksize=PIECE)
        self.path = path

    def connect(self) -> None:
        """Connects, also where the path is longer than a socket's address may be."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            if len(os.fsencode(self.path)) < 108:
                self.sock.connect(self.path)
            else:
                folder = os.open(os.path.dirname(self.path), os.O_PATH | os.O_DIRECTORY)
                try:
                    self.sock.connect("/proc/self/fd/%d/%s" % (folder, os.path.basename(self.path)))
                finally:
                    os.close(folder)
        except BaseException:
            self.sock.close()
            raise


#: Makes a connection, whose ``timeout`` is then what it has when a request asks for none.
Connector = Callable[[], http.client.HTTPConnection]


def unix_connector(path: str) -> Connector:
    """Makes connections to a Unix socket."""
    return lambda: UnixConnection(path)


def url_connector(url: str, cafile: Optional[str] = None) -> Tuple[Connector, str]:
    """Makes connections to ``http://host:port``, or to ``https://`` with the machine's certificates or the given one.

    :returns: With them the path that stands before all routes.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host, port, prefix = parts.hostname, parts.port, parts.path.rstrip("/")
    except (ValueError, TypeError, AttributeError):
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not host or port == 0:
        looks = "it looks like http://127.0.0.1:8321 or https://hub.example, the port from 1 to 65535"
        raise errors.invalid("url", "url: %s is no address; %s" % (errors.shown(url), looks))
    if parts.scheme == "http":
        if cafile:
            raise errors.invalid("cafile", "cafile: a certificate is for https:// addresses; %s is none" % errors.shown(url))
        return (lambda: http.client.HTTPConnection(host, port, timeout=SILENCE, blocksize=PIECE)), prefix
    import ssl

    try:
        if cafile:
            # `ssl` does not name the file that it cannot open.
            with open(cafile, "rb"):
                pass
        context = ssl.create_default_context(cafile=cafile or None)
    except ssl.SSLError as error:
        raise errors.invalid("cafile", "cafile: %s holds no certificate in PEM (%s)" % (cafile, error)) from None
    except OSError as error:
        raise type(error)(error.errno, "cafile: %s" % error.strerror, cafile) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return (
        lambda: http.client.HTTPSConnection(host, port, timeout=SILENCE, blocksize=PIECE, context=context)
    ), prefix


class Client:
    """Requests to one hub. Usable by several threads, and in a fork of the process."""

    def __init__(
        self,
        connector: Connector,
        token: Optional[str] = None,
        prefix: str = "",
        patient: bool = False,
        excuse: Optional[Callable[[], str]] = None,
        name: str = "the hub",
    ) -> None:
        """
        :param patient: Whether a hub that does not answer is waited for: a script is not to fail because its runner
            is being restarted, or MongoDB is away.
        :param excuse: Says why the hub does not answer, where that is known.
        :param name: What it is and its address, for errors to name.
        """
        self._connector = connector
        self._token = token
        self._prefix = prefix
        self._patient = patient
        self._excuse = excuse
        self._name = name
        self._idle: List[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._pid = os.getpid()

    # MARK: Requests

    def call(
        self,
        method: str,
        path: str,
        query: Optional[Dict[str, Any]] = None,
        body: Any = None,
        repeatable: bool = True,
        timeout: Optional[float] = None,
        account: Optional[str] = None,
    ) -> Any:
        """A request with JSON both ways.

        :param body: Text of JSON, or a value that ``json`` writes.
        :param repeatable: Whether it does no harm if the hub gets it twice.
        :param account: Whose request it is, for the record.
        :returns: The answer in terms of Python: see :func:`tensorhub.values.decode`.
        """
        data: Optional[bytes] = None
        headers = {"Accept": "application/json"}
        if account:
            headers["Tensorhub-Account"] = account
        if body is not None:
            data = (body if isinstance(body, str) else json.dumps(body)).encode("utf-8")
            headers["Content-Type"] = "application/json"
        request = (method, path, query, data, headers, repeatable, timeout)
        return decode(self.persist(lambda: self._exchange(*request), repeatable))

    def upload(self, path: str, body: Body, length: int) -> Any:
        """Sends bytes as they are: a file object is read piece by piece."""
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/octet-stream",
            "Content-Length": str(length),
        }
        return decode(self.persist(lambda: self._exchange("POST", path, None, body, headers)))

    def persist(self, request: Callable[[], Any], repeatable: bool = True) -> Any:
        """The request's answer; a patient client waits until there is one, any other for a while if the hub is busy."""
        pause, began, is_told = PAUSES[0], time.monotonic(), False
        while True:
            try:
                return request()
            except errors.Unreachable as error:
                waits = self._patient or (error.code == "busy" and time.monotonic() - began < BUSY)
                if not waits or not repeatable:
                    raise
                if not is_told and time.monotonic() - began > 10:
                    is_told = True
                    errors.say("waiting: %s" % error)
                time.sleep(pause)
                pause = min(pause * 2, PAUSES[1])

    def _exchange(self, *request: Any) -> Any:
        """One request, in the arguments of :meth:`open`, and its answer, JSON in terms of ``json``.

        :raises errors.HubError: for an answer from 400 up, and where there is none.
        """
        connection, response = self.open(*request)
        try:
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._unreachable(error) from error
        self.give_back(connection, response)
        answer = self._json(data)
        if response.status >= 400:
            raise self.error_of(response.status, answer)
        return answer

    def open(
        self,
        method: str,
        path: str,
        query: Optional[Dict[str, Any]],
        body: Body,
        headers: Dict[str, str],
        repeatable: bool = True,
        timeout: Optional[float] = None,
    ) -> Tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Sends a request and reads the head of the answer; the caller reads the rest and gives the connection back."""
        target = self._prefix + path
        if query:
            target += "?" + urllib.parse.urlencode(query, quote_via=urllib.parse.quote)
        headers = dict(headers)
        if self._token:
            headers["Authorization"] = "Bearer " + self._token
        while True:
            kept = self._take() if repeatable else None
            connection = kept or self._connector()
            try:
                self._limit(connection, timeout)
                if hasattr(body, "seek"):
                    body.seek(0)  # type: ignore[union-attr]
                connection.request(method, target, body=body, headers=headers)
                return connection, connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                answer = None if isinstance(error, socket.timeout) else self._early_answer(connection, error)
                if answer is not None:
                    return connection, answer
                connection.close()
                # One that was kept may have been closed by the other side since.
                if kept is None or isinstance(error, socket.timeout):
                    raise self._unreachable(error) from error

    @staticmethod
    def _limit(connection: http.client.HTTPConnection, timeout: Optional[float]) -> None:
        """Gives the next request its time-out, and leaves the connection its own for those to come."""
        own = connection.timeout
        limit = own if timeout is None else timeout
        if connection.sock is None:
            connection.timeout = limit
            try:
                connection.connect()
            finally:
                connection.timeout = own
        connection.sock.settimeout(limit)

    @staticmethod
    def _early_answer(connection: http.client.HTTPConnection, error: Exception) -> Optional[http.client.HTTPResponse]:
        """What the hub said before it closed the connection on a body that it does not want."""
        if not isinstance(error, (BrokenPipeError, ConnectionResetError)) or connection.sock is None:
            return None
        try:
            response = http.client.HTTPResponse(connection.sock, method="POST")
            response.begin()
            return response
        except (OSError, http.client.HTTPException, ValueError):
            return None

    def close(self) -> None:
        """Closes what is kept. The client can still be used."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    # MARK: Connections

    def _take(self) -> Optional[http.client.HTTPConnection]:
        if os.getpid() != self._pid:
            # Those belong to the parent, which goes on using them. Its lock may be taken for ever.
            self._lock = threading.Lock()
            self._idle = []
            self._pid = os.getpid()
        with self._lock:
            return self._idle.pop() if self._idle else None

    def give_back(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        """Keeps a connection whose answer was read, for the next request."""
        if response.will_close or connection.sock is None or os.getpid() != self._pid:
            connection.close()
            return
        with self._lock:
            # What is not repeatable takes a new connection each time; the hub has only so many.
            is_kept = len(self._idle) < KEPT
            if is_kept:
                self._idle.append(connection)
        if not is_kept:
            connection.close()

    @staticmethod
    def _json(data: bytes) -> Any:
        if not data:
            return {}
        try:
            return json.loads(data.decode("utf-8"))
        except ValueError:
            return {"error": {"message": "the hub answered: " + data[:200].decode("utf-8", "replace").strip()}}

    def error_of(self, status: int, answer: Any) -> errors.HubError:
        """The exception for an answer from 400 up; what is away is named."""
        error = errors.error_of(status, answer)
        if isinstance(error, errors.Unreachable):
            error.args = (self._named(str(error)),)
        return error

    def _named(self, words: str) -> str:
        return words if self._name in words else "%s (from %s)" % (words, self._name)

    def _unreachable(self, error: Exception) -> errors.HubError:
        words = self._excuse() if self._excuse else ""
        # By its name: only an https:// address has imported `ssl`.
        if not words and type(error).__name__ == "SSLCertVerificationError":
            words = "%s has a certificate that is not trusted here (%s); name that certificate with cafile= or " % (
                self._name,
                getattr(error, "verify_message", "") or error,
            )
            words += "TENSORHUB_CA_FILE"
        words = words or "%s does not answer (%s)" % (self._name, str(error) or type(error).__name__)
        return errors.make(errors.Unreachable, self._named(words), "unreachable")
