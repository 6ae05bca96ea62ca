"""What a script says to its runner while it runs: logs, progress, results, checkpoints, and whether it is to stop.

Outside of a task all of this does nothing, so that the same script can be tried by hand.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any, Dict, Iterator, MutableMapping, Optional, Set

from . import errors, values
from .connection import PAUSES, Client, unix_connector
from .reporter import PATIENCE, PROGRESS, RESULTS, Item, Reporter, check_entry

#: Seconds of one long poll for the order to stop.
POLL = 30.0

_lock = threading.RLock()
_reporter: Optional[Reporter] = None
_watch: Optional["_Watch"] = None
_is_told = False
#: Names of the results that this process has saved.
saved_names: Set[str] = set()


def is_attempt() -> bool:
    """Whether this process belongs to a task that is being run, on a runner with a script API."""
    return bool(os.environ.get("TENSORHUB_SOCKET"))


def attempt_client(patient: bool = True) -> Client:
    """A client of this attempt's socket.

    :raises errors.HubError: outside of an attempt.
    """
    path = os.environ.get("TENSORHUB_SOCKET")
    if not path:
        raise errors.make(errors.HubError, "there is no TENSORHUB_SOCKET: this is no task that runs", "not-in-attempt")
    token = os.environ.get("TENSORHUB_ATTEMPT_TOKEN")
    return Client(unix_connector(path), token, patient=patient, name="the runner at its socket " + path)


def report(entry: Optional[Dict[str, Any]] = None, /, *, kind: str = "training", **more: Any) -> None:
    """Adds an entry to a log of the task: ``report(loss=0.3, step=7)``.

    Costs some microseconds: the entry is delivered by a thread, in batches, and neither the runner's daemon nor MongoDB
    is waited for. Nothing is lost while they are away; what has been reported is flushed when the script ends.

    :param entry: A dictionary of values; for names that are no words of Python.
    :param kind: ``training``, ``validation`` or ``testing``.
    :raises TypeError: names a value that is no number, text, list or dictionary. NumPy's numbers and arrays are.
    :raises errors.InvalidInput: names a field that the hub sets itself (``_id``, ``project_name``, ``time``, ``hub``).
    """
    reporter = _reporter or _start()
    if reporter is None:
        _check_only(kind, {**(entry or {}), **more})
        return
    reporter.log(kind, {**entry, **more} if entry else more)


def progress(fraction: Optional[float] = None, message: Optional[str] = None) -> None:
    """Tells how far the script is: a fraction from 0 to 1, words, or both. Only the latest counts."""
    body: Dict[str, Any] = {}
    if fraction is not None:
        body["fraction"] = float(fraction)
        if not 0 <= body["fraction"] <= 1:
            raise errors.invalid("fraction", "fraction: %r is not from 0 to 1" % (fraction,))
    if message is not None:
        body["message"] = str(message)
    if not body:
        raise errors.invalid(None, "progress needs a fraction, a message, or both")
    reporter = _reporter or _start()
    if reporter is not None:
        reporter.put(Item(PROGRESS, values.document_text(body)))


def save_results(results: Optional[Dict[str, Any]] = None, /, **more: Any) -> None:
    """Merges values into the results of the task; the last value of a name counts.

    Waits until the runner has them, at most ten seconds; then they are delivered as soon as it answers.

    :raises TypeError: names a value that no document holds.
    :raises errors.InvalidInput: names what the hub does not take.
    """
    document = {**(results or {}), **more}
    text = values.dumps(values._encode_dictionary(document, "result", -1, values.RESULT))
    saved_names.update(document)
    reporter = _reporter or _start()
    if reporter is None or not document:
        return
    outcome: Dict[str, Optional[errors.HubError]] = {}
    over = threading.Event()

    def done(error: Optional[errors.HubError]) -> None:
        outcome["error"] = error
        over.set()

    reporter.put(Item(RESULTS, text, done))
    if not over.wait(PATIENCE):
        errors.say("the runner does not answer; results are delivered later")
    error = outcome.get("error")
    if error is not None:
        raise error


def flush(timeout: Optional[float] = None) -> bool:
    """Waits until all that was reported is with the runner; ``False`` when the time, in seconds, is over before."""
    return _reporter is None or _reporter.flush(timeout)


def waiting() -> int:
    """Bytes of reports that are not with the runner yet."""
    return 0 if _reporter is None else _reporter.waiting


def checkpoint() -> None:
    """Stores the checkpoint folder (``tensorhub.checkpoint_dir``) as it is: the task's next attempt finds this state.

    Call it when the folder is complete. Returns once there is a copy.
    """
    if not is_attempt():
        _tell()
        return
    flush(PATIENCE)
    attempt_client().call("POST", "/v1/checkpoint", body={})


class Stop:
    """Whether the script is to stop: true or false, and why."""

    __slots__ = ("reason", "deadline", "_stop")

    def __init__(self, stop: bool = False, reason: Optional[str] = None, deadline: Optional[float] = None) -> None:
        self._stop = stop
        #: ``cancelled``, ``drain``, ``timeout``, ``stall``, ``lease-lost``, ``outage``; ``None`` while it may run on.
        self.reason = reason
        #: Seconds on the clock of ``time.monotonic()`` at which it will be killed, where that is known.
        self.deadline = deadline

    def __bool__(self) -> bool:
        return self._stop

    def __repr__(self) -> str:
        return "Stop(%r)" % (self.reason or "terminated") if self._stop else "Stop(False)"


_running_on = Stop()


def should_stop() -> Stop:
    """Whether the script is to store a checkpoint and end: ``if tensorhub.should_stop(): ...``. Cheap enough in loops.

    From the first call on SIGTERM does not end the script any more, but makes this true; what it does not finish within
    the grace period is killed. That is so only if SIGTERM had its default meaning and the call is the main thread's.
    """
    if _watch is None:
        _start_watch()
    return _watch.stop if _watch is not None else _running_on


class Results(MutableMapping[str, Any]):
    """The results of the task: ``tensorhub.result["test_accuracy"] = 0.97`` is ``save_results(test_accuracy=0.97)``."""

    def __init__(self) -> None:
        self._values: Dict[str, Any] = {}

    def __setitem__(self, name: str, value: Any) -> None:
        save_results({name: value})
        self._values[name] = value

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __delitem__(self, name: str) -> None:
        raise TypeError("a result that was saved stays; save another value under its name")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)


result = Results()


# MARK: The process's own


def end() -> None:
    """Delivers what the script's last exit handler has reported. For who runs the script."""
    if _reporter is not None:
        _reporter.end()


def _start() -> Optional[Reporter]:
    global _reporter
    if not is_attempt():
        return None
    with _lock:
        if _reporter is None:
            _reporter = Reporter(attempt_client(patient=False), os.environ.get("TENSORHUB_SPOOL_FILE"))
        return _reporter


def _check_only(kind: str, entry: Dict[str, Any]) -> None:
    """Finds the mistakes that a task would find."""
    if kind not in ("training", "validation", "testing"):
        raise errors.invalid("kind", "kind: %r is none of training, validation, testing" % (kind,))
    check_entry(entry)
    values._encode_dictionary(entry, "log", -1, values.STORED)
    _tell()


def _tell() -> None:
    global _is_told
    if not _is_told:
        _is_told = True
        errors.say("this is no task, so what it reports goes nowhere")


class _Watch:
    """Waits for the order to stop, in a thread of its own."""

    def __init__(self) -> None:
        self.stop = _running_on
        self.has_handler = False
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._terminate)
            self.has_handler = True
        try:
            threading.Thread(target=self._poll, name="tensorhub-control", daemon=True).start()
        except RuntimeError:
            pass  # the interpreter is ending

    def _terminate(self, number: int, frame: Any) -> None:
        if not self.stop:
            self.stop = Stop(True)

    def _poll(self) -> None:
        client, pause = attempt_client(patient=False), PAUSES[0]
        while True:
            try:
                answer = client.call("GET", "/v1/control", {"wait": int(POLL)}, timeout=POLL + 30)
                pause = PAUSES[0]
            except errors.Refused:
                return  # another attempt has taken over; its runner ends this one
            except errors.HubError:
                time.sleep(pause)
                pause = min(pause * 2, PAUSES[1])
                continue
            if answer.get("stop"):
                left = answer.get("deadline")
                deadline = time.monotonic() + left if isinstance(left, (int, float)) else None
                self.stop = Stop(True, answer.get("reason"), deadline)
                return


def _start_watch() -> None:
    global _watch
    if not is_attempt():
        return
    with _lock:
        if _watch is None:
            _watch = _Watch()


def _after_fork() -> None:
    """A fork begins with an empty queue, connections of its own, and the meaning of SIGTERM that it had before us."""
    global _reporter, _watch, _lock
    _lock = threading.RLock()
    _reporter = None
    if _watch is not None and _watch.has_handler:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _watch = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
