"""Delivers what a script reports: the script puts it into a queue, one thread posts what has gathered.

Every log entry gets its identifier here, so a batch whose answer was lost is simply posted again. While the runner's
daemon is away the thread goes on trying; what is left when the script ends goes into a file that the runner reads.
"""

from __future__ import annotations

import atexit
import itertools
import os
import sys
import threading
import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import Any, Callable, Deque, Dict, Iterator, List, NamedTuple, Optional, Set

from . import errors, values
from .connection import PAUSES, Client

#: Bytes of entries that wait at most; whoever reports more then waits.
LIMIT = 64 << 20
#: Entries and bytes of one request at most.
BATCH_COUNT, BATCH_SIZE = 2000, 1 << 20
#: Seconds that the end of the script waits for a daemon that is away.
PATIENCE = 10.0
#: Seconds until a request without answer is repeated.
ANSWER_LIMIT = 60.0

PATHS = {kind: "/v1/logs/" + kind for kind in ("training", "validation", "testing")}
PROGRESS, RESULTS = "/v1/progress", "/v1/results"
RESERVED = frozenset(("_id", "project_name", "time", "hub"))

_ATOMS, LONGEST = values._ATOMS, values.LONGEST
#: Names of values that are in order; they are few, and are not to be examined each time.
_names: Set[str] = set()


class Item(NamedTuple):
    """Something to be posted."""

    path: str
    text: str
    #: Told what became of it; for who waits.
    done: Optional[Callable[[Optional[errors.HubError]], None]] = None


class Reporter:
    """The queue and the thread of one process."""

    def __init__(self, client: Client, spool_file: Optional[str]) -> None:
        self._client = client
        self._spool_file = spool_file
        self._queue: "SimpleQueue[Item]" = SimpleQueue()
        # A signal handler may report while the same thread is in here.
        self._lock = threading.RLock()
        # Bytes: the one counts under the lock, the other in the delivery. Their difference waits.
        self._put_size = 0
        self._sent_size = 0
        self._put = itertools.count(1)
        self._last_put = 0
        self._finished = 0
        self._turn = threading.Condition(threading.Lock())
        self._delivery = threading.Lock()
        self._backlog: List[Item] = []
        # What was taken from the queue, in order, up to the first that is not settled; and what is settled behind that.
        self._taken: Deque[Item] = deque()
        self._settled: Set[int] = set()
        self._hurry = threading.Event()
        self._thread: Optional[threading.Thread] = None
        # A first report from an exit handler comes too late for a thread and for an exit handler of ours.
        self._is_ending = not threading.main_thread().is_alive()
        self._has_spooled = False
        self._rejected = 0
        self._rejected_told = 1
        self._is_full_told = False
        self._is_trouble_told = False
        self._pid = os.getpid()
        atexit.register(self.end)
        self._finish_with_multiprocessing()

    # MARK: What the script calls

    def log(self, kind: str, entry: Dict[str, Any]) -> None:
        """Takes a log entry.

        :raises TypeError: names a value that is no number, text, list or dictionary.
        :raises errors.InvalidInput: names a field that is not the script's to set, or an unknown kind of log.
        """
        path = PATHS.get(kind)
        if path is None:
            raise errors.invalid("kind", "kind: %r is none of training, validation, testing" % (kind,))
        if not entry:
            raise errors.invalid(None, "an entry of a log needs at least one value, such as loss=0.3")
        names, atoms = _names, _ATOMS
        for name, value in entry.items():
            kind_of_value = type(value)
            if name in names:
                if kind_of_value in atoms or kind_of_value is int and -LONGEST <= value < LONGEST:
                    continue
                if kind_of_value is str and value.isascii():
                    continue
            if not names.issuperset(entry):
                check_entry(entry)
            entry = values._encode_dictionary(entry, "log", -1, values.STORED)
            if len(names) < 1000:
                names.update(entry)
            break
        text = '{"_id":{"$oid":"' + values.new_id() + '"},' + values.dumps(entry)[1:]
        self.put(Item(path, text))

    def put(self, item: Item) -> None:
        """Queues an item; waits while too much is queued already."""
        with self._lock:
            if self._put_size - self._sent_size > LIMIT:
                self._wait_for_room()
            self._put_size += len(item.text)
            self._last_put = next(self._put)
            self._queue.put(item)
            if self._thread is None and not self._is_ending:
                self._start()
        if self._is_ending:
            # An exit handler of the script's, later than ours.
            self._drain_or_spool()

    @property
    def waiting(self) -> int:
        """Bytes that are not delivered yet."""
        return self._put_size - self._sent_size

    def flush(self, timeout: Optional[float] = None) -> bool:
        """Waits until everything reported so far has been delivered.

        :returns: ``False`` when the time, in seconds, is over before.
        """
        goal = self._last_put
        if self._thread is None or not self._thread.is_alive():
            return self._drain(PATIENCE if timeout is None else timeout, goal)
        self._hurry.set()
        with self._turn:
            return self._turn.wait_for(lambda: self._finished >= goal, timeout)

    def end(self) -> None:
        """Delivers what there is, within ten seconds; the rest goes into the spool file."""
        if os.getpid() != self._pid:
            return
        self._is_ending = True
        self._drain_or_spool()
        # Called again for what later exit handlers report.
        if self._rejected > self._rejected_told:
            self._rejected_told = self._rejected
            _say("%d reports were rejected in all" % self._rejected)

    def _drain_or_spool(self) -> None:
        # Who answers is waited for however much there is; who has not answered for that long, never again.
        finished = self._finished
        while not self.flush(0 if self._has_spooled else PATIENCE):
            if self._finished == finished or self._has_spooled:
                self._has_spooled = True
                self._spool()
                return
            finished = self._finished

    # MARK: Delivery

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="tensorhub-reports", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            # Too late for threads: the interpreter is ending. Whoever reports delivers.
            self._thread = None
            self._is_ending = True

    def _run(self) -> None:
        pause = PAUSES[0]
        while True:
            if not self._backlog:
                self._take(self._queue.get())
                pause = PAUSES[0]
            with self._delivery:
                self._gather()
                away = self._post_backlog()
            if away:
                self._hurry.wait(pause)
                self._hurry.clear()
                pause = min(pause * 2, PAUSES[1])

    def _gather(self) -> None:
        size = sum(len(item.text) for item in self._backlog)
        while len(self._backlog) < BATCH_COUNT and size < BATCH_SIZE:
            try:
                item = self._queue.get_nowait()
            except Empty:
                return
            self._take(item)
            size += len(item.text)

    def _take(self, item: Item) -> None:
        self._backlog.append(item)
        self._taken.append(item)

    def _post_backlog(self) -> bool:
        """Posts what was gathered; ``True`` when nobody answers."""
        while self._backlog:
            path = self._backlog[0].path
            batch = [item for item in self._backlog if item.path == path]
            if path == RESULTS:
                batch = batch[:1]
            try:
                self._post(path, batch)
            except errors.Unreachable:
                return True
            sent = {id(item) for item in batch}
            self._backlog = [item for item in self._backlog if id(item) not in sent]
            self._settle(batch)
        return False

    def _post(self, path: str, batch: List[Item]) -> None:
        if path == PROGRESS:
            text = batch[-1].text  # the others are history
        elif path == RESULTS:
            text = batch[0].text
        else:
            text = "[" + ",".join(item.text for item in batch) + "]"
        error: Optional[errors.HubError] = None
        try:
            self._client.call("PUT" if path == RESULTS else "POST", path, None, text, timeout=ANSWER_LIMIT)
        except errors.Unreachable:
            raise
        except errors.HubError as refusal:
            if refusal.status is not None and refusal.status >= 500:
                # Such as a disk that is full: that may change.
                if not self._is_trouble_told:
                    self._is_trouble_told = True
                    _say("reports wait: %s" % refusal)
                raise errors.make(errors.Unreachable, str(refusal), refusal.code) from refusal
            error = refusal
        except Exception as failure:  # whatever it is, nothing is dropped for it and this thread goes on
            raise errors.make(errors.Unreachable, repr(failure), "unreachable") from failure
        if error is not None and path in PATHS.values() and len(batch) > 1 and error.status in (400, 413, 422):
            # Something in there is at fault: the others are not to suffer from it.
            half = len(batch) // 2
            self._post(path, batch[:half])
            self._post(path, batch[half:])
            return
        for item in batch:
            if item.done is not None:
                item.done(error)
            elif error is not None:
                self._rejected += 1
                if self._rejected == 1:
                    _say("a report was rejected: %s" % error)

    def _settle(self, batch: List[Item]) -> None:
        with self._turn:
            self._sent_size += sum(len(item.text) for item in batch)
            # Of another log later ones may be delivered before.
            self._settled.update(id(item) for item in batch)
            while self._taken and id(self._taken[0]) in self._settled:
                self._settled.remove(id(self._taken.popleft()))
                self._finished += 1
            self._turn.notify_all()

    def _wait_for_room(self) -> None:
        if not self._is_full_told:
            self._is_full_told = True
            _say("%d MB of reports wait for the runner; the script waits with them from here on" % (LIMIT >> 20))
        with self._turn:
            while self._put_size - self._sent_size > LIMIT:
                self._turn.wait(1)

    def _drain(self, seconds: float, goal: Optional[int] = None) -> bool:
        """Delivers in this thread, for want of another."""
        deadline, pause = time.monotonic() + seconds, PAUSES[0]
        while True:
            if self._delivery.acquire(timeout=max(0.0, deadline - time.monotonic())):
                try:
                    self._gather()
                    if not self._backlog or not self._post_backlog() and self._queue.empty():
                        return True
                finally:
                    self._delivery.release()
            if goal is not None and self._finished >= goal:
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
            pause = min(pause * 2, PAUSES[1])

    def _spool(self) -> None:
        """Leaves what could not be delivered to the runner, which reads the file once the script has ended."""
        # The thread may be in the middle of a request that gets no answer: what it has in hand is in the backlog. If it
        # arrives after all, it is there once nevertheless.
        items = list(self._backlog)
        while True:
            try:
                items.append(self._queue.get_nowait())
            except Empty:
                break
        if not items:
            return
        if not self._spool_file:
            _say("%d reports could not be delivered: the runner does not answer" % len(items))
            return
        lines = []
        for path in dict.fromkeys(item.path for item in items):
            texts = [item.text for item in items if item.path == path]
            if path in PATHS.values():
                lines += [_line(path, "[" + ",".join(batch) + "]") for batch in _batches(texts)]
            elif path == RESULTS:
                lines += [_line(path, text) for text in texts]
            else:
                lines.append(_line(path, texts[-1]))
        try:
            _append(self._spool_file, lines)
        except OSError as error:
            _say("%d reports are lost: %s" % (len(items), error))

    def _finish_with_multiprocessing(self) -> None:
        """A process that multiprocessing forked ends without exit handlers but with its own finalizers."""
        utilities = sys.modules.get("multiprocessing.util")
        process = sys.modules.get("multiprocessing.process")
        if utilities is not None and process is not None and process.parent_process() is not None:
            utilities.Finalize(None, self.end, exitpriority=0)


def check_entry(entry: Dict[str, Any]) -> None:
    """
    :raises errors.InvalidInput: names a field that is not the script's to set.
    """
    for name in entry:
        if name in RESERVED:
            raise errors.invalid(name, "%s is set by the hub; give the value another name" % name)


def _batches(texts: List[str]) -> Iterator[List[str]]:
    """Parts of a size that whoever reads the file takes as one line."""
    batch: List[str] = []
    size = 0
    for text in texts:
        if batch and (len(batch) >= BATCH_COUNT or size + len(text) > BATCH_SIZE):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch


def _line(path: str, body: str) -> str:
    return '{"path":"%s","body":%s}\n' % (path, body)


def _append(path: str, lines: List[str]) -> None:
    import fcntl

    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Several processes of one attempt may end at the same time.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        data = memoryview("".join(lines).encode("utf-8"))
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _say(words: str) -> None:
    try:
        errors.say(words)
    except (OSError, ValueError):
        pass
