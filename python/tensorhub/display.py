"""What a notebook shows of documents: small tables of HTML, for which only what is shown is looked at."""

from __future__ import annotations

import datetime
import html
from itertools import islice
from typing import Any, Dict, Iterable, List, Optional, Sequence

#: Rows and columns of a table, characters of a cell, and items of a list or dictionary within one, at most.
ROWS, COLUMNS, WIDTH, ITEMS = 20, 12, 80, 6

#: Fields that tell a reader nothing.
_HIDDEN = frozenset(("hub", "project_name", "script", "architecture"))


class Documents(List[Dict[str, Any]]):
    """Documents that were found: a list, which a notebook shows as a table."""

    __slots__ = ()

    def _repr_html_(self) -> Optional[str]:
        try:
            return _table(self)
        except Exception:  # whatever somebody has put into the list: a notebook then shows it as any list
            return None


def facts(document: Dict[str, Any], title: str) -> Optional[str]:
    """One document as a table of two columns."""
    try:
        shown = [(key, document[key]) for key in islice(document, ROWS + len(_HIDDEN)) if key not in _HIDDEN][:ROWS]
        rows = "".join("<tr><th>%s</th><td>%s</td></tr>" % (_cell(key), _cell(value)) for key, value in shown)
        return "<table><caption>%s</caption>%s</table>" % (_cell(title), rows)
    except Exception:  # as above
        return None


def _table(documents: Sequence[Dict[str, Any]]) -> str:
    shown = list(islice(documents, ROWS))
    names: Dict[str, None] = {}
    for document in shown:
        names.update((key, None) for key in islice(document, 4 * COLUMNS) if key not in _HIDDEN)
    columns = list(names)[:COLUMNS]
    head = "".join("<th>%s</th>" % _cell(name) for name in columns)
    text = "<table><thead><tr>%s</tr></thead><tbody>" % head
    for document in shown:
        cells = "".join("<td>%s</td>" % (_cell(document[name]) if name in document else "") for name in columns)
        text += "<tr>%s</tr>" % cells
    text += "</tbody></table>"
    left_out = []
    if len(documents) > len(shown):
        left_out.append("the first %d of %d" % (len(shown), len(documents)))
    if len(names) > len(columns):
        left_out.append("without the fields %s" % ", ".join(list(names)[len(columns) : len(columns) + ITEMS]))
    return text + ("<p>%s</p>" % _cell("; ".join(left_out)) if left_out else "")


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        text = _listed(("%s=%s" % (_text(key, 1), _text(item, 1)) for key, item in value.items()), len(value), " ")
    else:
        text = _text(value, 0)
    return html.escape(text if len(text) <= WIDTH else text[: WIDTH - 1] + "…")


def _text(value: Any, depth: int) -> str:
    """The beginning of a value, whatever its size."""
    if isinstance(value, str):
        return str.__str__(value)[:WIDTH]
    if isinstance(value, float):
        return "%.6g" % value
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S") + ("Z" if value.tzinfo is datetime.timezone.utc else "")
    if isinstance(value, (bytes, bytearray)):
        return "<%d bytes>" % len(value)
    if isinstance(value, dict):
        items = ("%s: %s" % (_text(key, 9), _text(item, depth + 1)) for key, item in value.items())
        return "{%s}" % ("…" if depth > 2 else _listed(items, len(value), ", "))
    if isinstance(value, (list, tuple)):
        return "[%s]" % ("…" if depth > 2 else _listed((_text(item, depth + 1) for item in value), len(value), ", "))
    if hasattr(value, "pattern"):
        return _text(value.pattern, depth)
    return str(value)[:WIDTH]


def _listed(texts: Iterable[str], count: int, between: str) -> str:
    return between.join(islice(texts, ITEMS)) + (between + "…" if count > ITEMS else "")
