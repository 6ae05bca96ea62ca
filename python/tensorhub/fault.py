"""What the exception that ended a script says of whose fault it is: the script's wherever it runs, or the machine's.

Decided by the type of the exception, never by its text. What the script itself handles is none of it.
"""

from __future__ import annotations

import ast
import json
import os
from types import TracebackType
from typing import Any, Dict, Optional

#: Characters of a message.
LONGEST = 300


def leave(error: BaseException, script: str) -> None:
    """Writes it down for the runner, where there is one; nothing for an exception that says nothing.

    :param script: The path of the script, in whose folder the task's other files are.
    """
    path = os.environ.get("TENSORHUB_RESULT_FILE")
    fault = find(error, os.path.dirname(os.path.abspath(script)))
    if path and not fault and os.path.exists(path + ".fault"):
        os.unlink(path + ".fault")  # that of an earlier process of the same attempt
    if path and fault:
        with open(path + ".fault.new", "w", encoding="utf-8") as file:
            json.dump(fault, file)
        os.replace(path + ".fault.new", path + ".fault")


def find(error: BaseException, folder: str) -> Optional[Dict[str, Any]]:
    """``kind`` is ``script`` (it fails everywhere), ``module`` or ``file`` (that machine lacks one).

    :param folder: Where the task's own files are.
    """
    fault: Dict[str, Any] = {"type": type(error).__name__, "message": _text(error)}
    if isinstance(error, SyntaxError):  # IndentationError and TabError too
        if error.filename is None or not _is_below(folder, error.filename):
            return None
        return dict(fault, kind="script", message=_text(error.msg), line=error.lineno)
    if isinstance(error, NameError):  # UnboundLocalError too
        frame = _innermost(error.__traceback__)
        # A library that is broken on this machine may be whole on another one.
        if frame is None or not (_is_below(folder, frame.tb_frame.f_code.co_filename) or _is_no_file(frame)):
            return None
        if _is_imported(error, frame.tb_frame.f_code.co_filename):
            return None  # an import that the script does without, where it is missing
        return dict(fault, kind="script", line=frame.tb_lineno)
    if isinstance(error, ImportError):  # ModuleNotFoundError too
        return dict(fault, kind="module", name=_text(error.name))
    if isinstance(error, FileNotFoundError):
        return dict(fault, kind="file", path=_path(error.filename))
    return None


def _innermost(trace: Optional[TracebackType]) -> Optional[TracebackType]:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace


def _is_below(folder: str, path: str) -> bool:
    return os.path.abspath(path).startswith(folder.rstrip(os.sep) + os.sep) and os.path.isfile(path)


def _is_no_file(frame: TracebackType) -> bool:
    """What the script itself has made of a text, as by exec()."""
    return frame.tb_frame.f_code.co_filename == "<string>"


def _is_imported(error: NameError, path: str) -> bool:
    """Whether the file has an import of that name somewhere, as one in a ``try``."""
    name = getattr(error, "name", None)
    if not name:
        return False
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = [alias.asname or alias.name.split(".")[0] for node in imports for alias in node.names]
    return name in names or "*" in names


def _text(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split())[:LONGEST]


def _path(name: Any) -> str:
    return _text(os.fsdecode(name) if isinstance(name, (str, bytes)) else name)
