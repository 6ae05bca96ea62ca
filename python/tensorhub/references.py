"""What tasks are called by: numbers, identifiers, documents."""

from __future__ import annotations

import os
from typing import Any, Dict, Iterable, List, Optional, Union

from . import errors, values

#: A task's number or identifier, or its document.
Task = Union[int, str, Dict[str, Any]]

#: Numbers and identifiers of tasks, and ranges of numbers as ``"410..420"``.
Ids = Optional[Iterable[Union[int, str]]]


class TaskId(values.ObjectId):
    """The identifier of a task that was created, and the number that people call it by."""

    #: ``None`` where the hub may not count tasks.
    number: Optional[int] = None


def account() -> Optional[str]:
    """Who runs this; not where the name cannot stand in the head of a request."""
    try:
        import pwd

        name = pwd.getpwuid(os.geteuid()).pw_name
    except (KeyError, OSError, ImportError):
        return None
    return name if name.isascii() and name.isprintable() else None


def created(identifier: str, number: Optional[int]) -> TaskId:
    """What a call that creates a task returns."""
    made = TaskId(identifier)
    made.number = number
    return made


def single(task: Any) -> str:
    """The identifier or the number of a task that is given by it or as a document."""
    identifier = task.get("_id") if isinstance(task, dict) else task
    words = "id: %r is no number or identifier of a task; give what create_task has returned" % (identifier,)
    if type(identifier) is int and identifier > 0:
        return str(identifier)
    if type(identifier) is str and identifier.isascii() and identifier.isdigit() and len(identifier) <= 16:
        return identifier
    if not isinstance(identifier, str) and type(identifier).__name__ != "ObjectId":
        raise TypeError(words)
    try:
        # Not an empty text, which would stand for a new identifier.
        return values.ObjectId(str(identifier) or "-")
    except errors.InvalidInput:
        raise errors.invalid("id", words) from None


def several(ids: Any) -> List[Any]:
    """The tasks of a list. One text is none: its letters would pass for numbers of other tasks."""
    if isinstance(ids, (str, bytes, dict, int)) or not hasattr(ids, "__iter__"):
        raise errors.invalid("ids", "ids: %r is no list of tasks; write [%r]" % (ids, ids))
    return list(ids)


def listed(task: Any) -> Any:
    """A task in a list, as the hub reads it."""
    text = str(task)
    return text if type(task) is int or ".." in text or text.isdigit() and len(text) < 24 else {"$oid": text}
