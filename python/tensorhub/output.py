"""What the scripts of tasks print, as lines that a person would have seen."""

from __future__ import annotations

import time
from typing import Any, Dict, Iterator, List, Optional

from . import errors, values
from .connection import Client

#: Seconds between two looks at the output of a task that runs, from the first without anything new to the longest.
PAUSES = (0.25, 1.0)
#: Chunks of one answer, 256 KiB each.
CHUNKS = 16

UNFINISHED = ("pending", "running")


class Lines:
    """Turns bytes, as they come, into lines: of a progress bar that overwrites itself with carriage returns only the
    last state remains, as in `tensorhub logs`."""

    def __init__(self) -> None:
        self._unfinished = bytearray()

    def add(self, data: bytes) -> List[str]:
        """The lines that these bytes have ended."""
        first, *others = data.split(b"\n")
        self._unfinished += first
        ended: List[bytes] = []
        if others:
            ended = [bytes(self._unfinished), *others[:-1]]
            self._unfinished = bytearray(others[-1])
        # States that were overwritten are not kept until the line ends.
        if self._unfinished.endswith(b"\r") or b"\r" in (others[-1] if others else first):
            is_returned = self._unfinished.endswith(b"\r")
            self._unfinished = bytearray(_last_state(bytes(self._unfinished)) + (b"\r" if is_returned else b""))
        return [_text(line) for line in ended]

    def finish(self) -> List[str]:
        """What is left at the end of the output."""
        rest, self._unfinished = bytes(self._unfinished), bytearray()
        return [_text(rest)] if rest.rstrip(b"\r") else []


def _last_state(line: bytes) -> bytes:
    return line.rstrip(b"\r").rpartition(b"\r")[2]


def _text(line: bytes) -> str:
    return _last_state(line).decode("utf-8", "replace")


def read(client: Client, task: str, attempt: Optional[int]) -> str:
    """All that an attempt has printed so far, each line with its end; empty where it has printed nothing.

    :param attempt: ``None`` for the latest.
    :raises errors.NotFound: for an attempt that there has not been.
    """
    latest = int(_chunks(client, task, {"limit": 1})["attempt"])
    _check_attempt(task, attempt, latest)
    reader = _Reader(client, task, attempt or latest)
    lines: List[str] = []
    while latest:
        piece = reader.next_lines(only=True)
        if piece is None:
            break
        lines += piece
    return "".join(line + "\n" for line in lines + reader.finish())


def follow(client: Client, task: str, attempt: Optional[int]) -> Iterator[str]:
    """The lines of the output as they come, from the beginning of an attempt on, until the task has ended.

    A hub that does not answer for a while, once it has, does not end it.

    :param attempt: ``None`` for the latest.
    """
    first = _chunks(client, task, {"limit": 1})
    latest = int(first["attempt"])
    _check_attempt(task, attempt, latest)
    if first["status"] == "pending":
        errors.say("task %s is pending; it waits for a runner" % task)
    return _followed(_Reader(client, task, attempt or max(1, latest)))


def _followed(reader: "_Reader") -> Iterator[str]:
    pause, is_told = PAUSES[0], False
    while True:
        try:
            lines = reader.next_lines()
        except errors.Unreachable as error:
            if not is_told:
                errors.say("waiting: %s" % error)
            pause, is_told, lines = PAUSES[1], True, None
        else:
            is_told = False
        if lines is not None:
            yield from lines
            pause = PAUSES[0]
        elif reader.status not in UNFINISHED and not is_told:
            yield from reader.finish()
            return
        else:
            time.sleep(pause)
            pause = min(2 * pause, PAUSES[1])


class _Reader:
    """A place in the output of a task."""

    def __init__(self, client: Client, task: str, attempt: int) -> None:
        self._client = client
        self._task = task
        self._first = attempt
        self._attempt: Optional[int] = None
        self._after = "%d:%d" % (attempt - 1, values.LONGEST - 1)
        self._end = 0
        self._lines = Lines()
        #: What the task was before its output was last read.
        self.status = "pending"

    def next_lines(self, only: bool = False) -> Optional[List[str]]:
        """The lines of the next chunks, perhaps none yet; ``None`` where there is no further chunk.

        :param only: Whether the first attempt alone is read.
        """
        query: Dict[str, Any] = {"after": self._after, "limit": CHUNKS}
        if only:
            query["attempt"] = self._first
        answer = _chunks(self._client, self._task, query)
        self.status = answer["status"]
        if not answer["chunks"]:
            return None
        lines: List[str] = []
        for chunk in answer["chunks"]:
            lines += self._add(chunk)
        return lines

    def finish(self) -> List[str]:
        """What has no line end."""
        return self._lines.finish()

    def _add(self, chunk: Dict[str, Any]) -> List[str]:
        attempt, offset, data = int(chunk["attempt"]), int(chunk["offset"]), bytes(chunk["data"])
        lines: List[str] = []
        if attempt != self._attempt:
            lines += self.finish()
            if self._attempt is not None:
                errors.say("task %s: attempt %d begins" % (self._task, attempt))
            self._attempt, self._end = attempt, 0
        if offset > self._end:
            lines += self.finish()
            errors.say("task %s: %d bytes left out by the output limit" % (self._task, offset - self._end))
        self._after, self._end = "%d:%d" % (attempt, chunk["seq"]), offset + len(data)
        return lines + self._lines.add(data)


def _chunks(client: Client, task: str, query: Dict[str, Any]) -> Dict[str, Any]:
    answer: Dict[str, Any] = client.call("GET", "/v1/tasks/%s/output" % task, query)
    return answer


def _check_attempt(task: str, attempt: Optional[int], latest: int) -> None:
    if attempt is None:
        return
    if isinstance(attempt, bool) or not isinstance(attempt, int) or attempt < 1:
        raise errors.invalid("attempt", "attempt: %r is no number of an attempt; they count from 1" % (attempt,))
    if attempt > latest:
        had = "%d attempt%s" % (latest, "" if latest == 1 else "s")
        raise errors.make(errors.NotFound, "task %s has had %s, not %d" % (task, had, attempt), "not-found")
