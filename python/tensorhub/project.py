"""What the parts of a hub have in common: one project, and requests about it."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from . import content, errors, values
from .connection import Client
from .display import Documents

Sort = Union[None, str, Dict[str, int], Sequence[Tuple[str, int]]]


class Project:
    """The project of a hub."""

    _client: Client
    #: MongoDB's, where the hub has no other address.
    _uri: Optional[str]
    _downloads: content.Downloads
    project_name: str
    is_attempt: bool

    def _query(self, filter: Dict[str, Any], sort: Sort, **parameters: Any) -> Dict[str, Any]:
        query = {name: str(value) for name, value in parameters.items() if value is not None}
        if "where" in query:
            query["where"] = checked_where(parameters["where"])
        if filter:
            query["filter"] = values.dumps(values.filter_document(filter))
        if sort is not None:
            query["sort"] = values.dumps(values.sort_document(sort))
        return query

    def _find(
        self,
        collection: str,
        name: Optional[str],
        sort: Sort,
        version: Optional[int],
        filter: Dict[str, Any],
        shard: Union[None, str, Tuple[int, int]] = None,
        stage: Optional[str] = None,
    ) -> Optional[content.Found]:
        query = self._query(filter, sort, version=version, stage=stage)
        if shard is not None:
            query["shard"] = _shard(shard)
        found = content.find(self._client, collection, name, query, self._downloads)
        if found is None:
            errors.say(str(self._downloads.last_miss or "nothing was found"))
        return found

    def _list(self, path: str, filter: Dict[str, Any], sort: Sort, **parameters: Any) -> List[Dict[str, Any]]:
        return Documents(self._client.call("GET", path, self._query(filter, sort, **parameters)))

    def _delete(self, path: str, query: Dict[str, Any], filter: Dict[str, Any]) -> int:
        # Everything at once is deleted only where that is spelled out.
        parameters = {"filter": "{}", **self._query(filter, None, **query)}
        return int(self._client.call("DELETE", path, parameters).get("deleted", 0))


def checked_where(text: Any) -> str:
    """A short filter is a text; what its words may be the hub knows."""
    if not isinstance(text, str):
        message = "where: %r is no text such as 'state:failed lr<0.01'; a tag named 'where' is found by 'tag.where=VALUE'"
        raise errors.invalid("where", message % (text,))
    return values.checked_text(text, "where: %r" % (text,), "where")


def _shard(shard: Any) -> str:
    if isinstance(shard, str):
        return shard
    try:
        index, count = shard
        return "%d/%d" % (index, count)
    except (TypeError, ValueError):
        raise errors.invalid("shard", "shard: %r is no (i, n), piece i of n from 0" % (shard,)) from None
