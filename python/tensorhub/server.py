"""A private `tensorhub serve` for each database and project, on a socket of its own, as long as this process lives.

It ends when its standard input closes, so also when this process is killed.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any, Dict, List, Optional, Tuple

from . import errors

#: Seconds that a server may take to start.
START_LIMIT = 60.0
#: Seconds that it may take to end.
END_LIMIT = 10.0
#: Its exit status where what it was given is at fault.
BAD_SETTINGS = 2

_SPEAKER = "tensorhub: "

_lock = threading.Lock()
_servers: Dict[Tuple[str, str], "PrivateServer"] = {}


def executable(name: str) -> str:
    """A program of TensorHub: that of ``TENSORHUB_EXECUTABLE``, the one in ``PATH``, the one beside Python.

    :param name: ``tensorhub`` or ``tensorhubd``.
    """
    given = os.environ.get("TENSORHUB_EXECUTABLE")
    if given:
        path = given if name == "tensorhub" else os.path.join(os.path.dirname(given), name)
        if os.access(path, os.X_OK):
            return path
        raise FileNotFoundError(2, "TENSORHUB_EXECUTABLE leads to no program", path)
    beside = os.path.join(os.path.dirname(os.path.abspath(sys.executable)), name)
    found = shutil.which(name) or (beside if os.access(beside, os.X_OK) else None)
    if found is None:
        raise FileNotFoundError(
            2, "there is no program %s in PATH; install TensorHub, or name it in TENSORHUB_EXECUTABLE" % name
        )
    return found


def serve(uri: str, project: str, origin: str = "uri=") -> "PrivateServer":
    """The server of this process for a database and a project, started if there is none.

    :param origin: Where the connection string is from, for errors to name.
    :raises errors.InvalidInput: where it is none.
    """
    if not isinstance(uri, str) or not uri.startswith(("mongodb://", "mongodb+srv://")):
        # Not what it is instead: that may be a password.
        words = "uri: %s holds no connection string; one begins with mongodb:// or mongodb+srv://, as in mongodb://127.0.0.1:27017"
        raise errors.invalid("uri", words % origin)
    for field, text in (("uri", uri), ("project_name", project)):
        if "\0" in text:
            raise errors.invalid(field, "%s: it holds a NUL character" % field)
    with _lock:
        server = _servers.get((uri, project))
        if server is None or not server.is_running:
            server = _servers[(uri, project)] = PrivateServer(uri, project, origin)
        return server


class PrivateServer:
    """A running `tensorhub serve`."""

    def __init__(self, uri: str, project: str, origin: str = "uri=") -> None:
        self._pid = os.getpid()
        self._origin = origin
        self.folder = _private_folder()
        #: The Unix socket, which nobody else on this machine may use.
        self.socket = os.path.join(self.folder, "s")
        self._log = os.path.join(self.folder, "log")
        self._is_over = threading.Event()
        try:
            self._process = self._start(environment(uri, project))
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        try:
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def _start(self, environment: Dict[str, str]) -> "subprocess.Popen[bytes]":
        """Starts it on a thread that lasts: the server ends with the thread that began it, as Linux counts parents."""
        outcome: List[Any] = []
        is_started = threading.Event()

        def run() -> None:
            try:
                with open(self._log, "wb") as log:
                    process = subprocess.Popen(
                        [executable("tensorhub"), "serve", "--socket", self.socket, "--until-stdin-closes"],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=log,
                        env=environment,
                        # Control-C is for the script, which may still want to save something.
                        start_new_session=True,
                    )
                outcome.append(process)
            except BaseException as error:
                outcome.append(error)
            is_started.set()
            self._is_over.wait()

        threading.Thread(target=run, name="tensorhub-serve", daemon=True).start()
        is_started.wait()
        if isinstance(outcome[0], BaseException):
            self._is_over.set()
            raise outcome[0]
        process: "subprocess.Popen[bytes]" = outcome[0]
        return process

    @property
    def is_running(self) -> bool:
        """Whether it serves."""
        return os.getpid() != self._pid or self._process.poll() is None

    def complaint(self) -> str:
        """What it said last, if it has ended."""
        if self.is_running:
            return ""
        words = self._last_words() or "it has said nothing"
        return "`tensorhub serve` has ended with status %s: %s" % (self._process.returncode, words)

    def close(self) -> None:
        """Ends it."""
        if os.getpid() != self._pid:
            return
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._process.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._is_over.set()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait_until_ready(self) -> None:
        assert self._process.stdout is not None
        descriptor, deadline, text = self._process.stdout.fileno(), time.monotonic() + START_LIMIT, b""
        while b"\n" not in text:
            readable, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(descriptor, 65536) if readable else b""
            if not piece:
                break
            text += piece
        try:
            facts = json.loads(text.partition(b"\n")[0].decode("utf-8"))
        except ValueError:
            facts = None
        if isinstance(facts, dict) and "error" not in facts:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        if isinstance(facts, dict):
            refusal = errors.error_of(403, facts)
            refusal.status = None
            raise refusal
        words = self._last_words() or "it said nothing within %d s" % START_LIMIT
        if self._process.poll() == BAD_SETTINGS:
            raise errors.invalid("uri" if words.startswith("uri: ") else None, "%s (%s)" % (words, self._origin))
        raise errors.make(errors.Unreachable, "`tensorhub serve` does not start: " + words, "unreachable")

    def _last_words(self) -> str:
        try:
            with open(self._log, "rb") as log:
                lines: List[str] = log.read()[-4096:].decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        words = "; ".join(lines[-3:])
        # The address goes to the server by its environment, wherever this process has it from.
        words = words.replace("environment variable TENSORHUB_URI", self._origin)
        words = words.replace(" with --uri or TENSORHUB_URI", " with uri=")
        return words[len(_SPEAKER) :] if words.startswith(_SPEAKER) else words

    def _after_fork(self) -> None:
        # Else the server would live as long as the longest of all forks.
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()


#: Variables that would lead a program elsewhere.
_ADDRESSES = ("TENSORHUB_URI_FILE", "TENSORHUB_URL", "TENSORHUB_TOKEN_FILE")


def environment(uri: str, project: str) -> Dict[str, str]:
    """What leads a program to a database and project: a command line is for everybody to read, this is not."""
    others = {name: value for name, value in os.environ.items() if name not in _ADDRESSES}
    return dict(others, TENSORHUB_URI=uri, TENSORHUB_PROJECT=project)


def _private_folder() -> str:
    folder = tempfile.mkdtemp(prefix="tensorhub-")
    if len(os.fsencode(folder)) > 90:  # a socket's path has room for 107 bytes
        os.rmdir(folder)
        folder = tempfile.mkdtemp(prefix="tensorhub-", dir="/tmp")
    return folder


def uri_of(ip: str, port: int, dbname: str, username: Optional[str], password: Optional[str]) -> str:
    """MongoDB's connection string for TensorLayer's arguments."""
    from urllib.parse import quote

    try:
        number = int(port)
    except (TypeError, ValueError):
        number = 0
    if not 0 < number < 65536:
        raise errors.invalid("port", "port: %r is no number from 1 to 65535" % (port,))
    if not isinstance(ip, str) or not ip or any(character in ip for character in "/?#@, "):
        raise errors.invalid("ip", "ip: %s is no host; give a name or an address, or all of it as uri=" % errors.shown(ip))
    host = "[%s]" % ip if ":" in ip and not ip.startswith("[") else ip
    login = ""
    # TensorLayer's default is the text 'None'.
    if username not in (None, "None"):
        login = "%s:%s@" % (quote(str(username), safe=""), quote(str(password or ""), safe=""))
    # Without authSource the user is one of this database, as TensorLayer has it; others use uri=.
    return "mongodb://%s%s:%d/%s" % (login, host, number, quote(dbname, safe=""))


def address_of(uri: str) -> str:
    """The hosts of a connection string, without the login."""
    # A question mark may be one of the password's, as libmongoc reads it.
    authority = uri.partition("://")[2].partition("/")[0]
    return authority.rpartition("@")[2].partition("?")[0]
