"""What can go wrong, as exceptions that are also Python's own of that kind."""

from __future__ import annotations

import sys
from typing import Any, Dict, List, Optional, Type, TypeVar


class HubError(Exception):
    """A request that the hub could not fulfil. Its text is a sentence with the facts and what to do."""

    #: The server's word for it, such as ``not-found`` or ``reserved-field``.
    code: str = "database"
    #: HTTP's status; ``None`` where there was no answer.
    status: Optional[int] = None
    #: The field at fault.
    field: Optional[str] = None
    #: Names that are near a name that does not exist.
    suggestions: List[str] = []


class InvalidInput(HubError, ValueError):
    """The request is at fault; ``field`` names what."""


class NotFound(HubError, LookupError):
    """Nothing of that name or filter."""


class Refused(HubError, PermissionError):
    """The token is wrong, or this may not be done from here: a task creates and deletes nothing."""


class Forbidden(Refused):
    """MongoDB does not let the hub's user do that; the text says who may not do what."""


class Unreachable(HubError, ConnectionError):
    """The hub, or MongoDB behind it, does not answer."""


Error = TypeVar("Error", bound=HubError)

#: Of the answers from 400 up those that are no plain :class:`HubError`.
_KINDS: Dict[int, Type[HubError]] = {401: Refused, 403: Refused, 404: NotFound, 503: Unreachable}
_KINDS.update(dict.fromkeys((400, 405, 413, 422), InvalidInput))


def error_of(status: int, answer: Any) -> HubError:
    """The exception for an answer from 400 up."""
    facts = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(facts, dict):
        facts = {}
    code = facts.get("code")
    message = facts.get("message")
    if not isinstance(message, str):
        message = "the hub answered with status %d" % status
    kind = _KINDS.get(status, HubError)
    if kind is Refused and code == "forbidden":
        kind = Forbidden
    error = make(kind, message, code if isinstance(code, str) else "status-%d" % status)
    error.status = status
    field = facts.get("field")
    error.field = field if isinstance(field, str) else None
    names = facts.get("suggestions")
    error.suggestions = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    if error.suggestions and not any(name in message for name in error.suggestions):
        error.args = (message + "; near it: " + ", ".join(error.suggestions),)
    return error


def say(words: str) -> None:
    """Tells whoever reads the script's standard error."""
    print("tensorhub: " + words, file=sys.stderr, flush=True)


def shown(address: Any) -> str:
    """What was given as an address, for messages; not where it may hold a password."""
    text = repr(address)
    return "what is given" if "@" in text or "://" in text and not text[1:].startswith("http") else text


def make(kind: Type[Error], message: str, code: str) -> Error:
    """An exception of the kind with a code."""
    error = kind(message)
    error.code = code
    error.suggestions = []
    return error


def invalid(field: Optional[str], message: str) -> InvalidInput:
    """The exception for an argument that cannot be, found before anything is sent."""
    error = make(InvalidInput, message, "invalid-input")
    error.field = field
    return error
