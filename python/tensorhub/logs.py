"""The logs of a project."""

from __future__ import annotations

from typing import Any, Dict, List, Literal, Optional, overload

from . import attempt, frames, values
from .project import Project, Sort
from .reporter import check_entry


class Logs(Project):
    """The part of a hub that is about logs."""

    def save_training_log(self, **entry: Any) -> bool:
        """Adds an entry to the training log; the time is added. Returns ``True``: in a task once it is queued."""
        return self._save_log("training", entry)

    def save_validation_log(self, **entry: Any) -> bool:
        """Adds an entry to the validation log; the time is added. Returns ``True``: in a task once it is queued."""
        return self._save_log("validation", entry)

    def save_testing_log(self, **entry: Any) -> bool:
        """Adds an entry to the testing log; the time is added. Returns ``True``: in a task once it is queued."""
        return self._save_log("testing", entry)

    @overload
    def find_training_log(
        self, sort: Sort = None, limit: Optional[int] = None, *, as_frame: Literal[False] = False, **filter: Any
    ) -> List[Dict[str, Any]]: ...

    @overload
    def find_training_log(
        self, sort: Sort = None, limit: Optional[int] = None, *, as_frame: Literal[True], **filter: Any
    ) -> Any: ...

    def find_training_log(
        self, sort: Sort = None, limit: Optional[int] = None, *, as_frame: bool = False, **filter: Any
    ) -> Any:
        """The entries of the training log that match, oldest first unless sorted otherwise.

        :param as_frame: Whether as a DataFrame of pandas: see :func:`tensorhub.frames.of_log`.
        :returns: A list of dictionaries, unless ``as_frame``.
        """
        return self._find_log("training", sort, limit, as_frame, filter)

    @overload
    def find_validation_log(
        self, sort: Sort = None, limit: Optional[int] = None, *, as_frame: Literal[False] = False, **filter: Any
    ) -> List[Dict[str, Any]]: ...

    @overload
    def find_validation_log(
        self, sort: Sort = None, limit: Optional[int] = None, *, as_frame: Literal[True], **filter: Any
    ) -> Any: ...

    def find_validation_log(
        self, sort: Sort = None, limit: Optional[int] = None, *, as_frame: bool = False, **filter: Any
    ) -> Any:
        """The entries of the validation log that match, oldest first unless sorted otherwise.

        :param as_frame: Whether as a DataFrame of pandas: see :func:`tensorhub.frames.of_log`.
        :returns: A list of dictionaries, unless ``as_frame``.
        """
        return self._find_log("validation", sort, limit, as_frame, filter)

    @overload
    def find_testing_log(
        self, sort: Sort = None, limit: Optional[int] = None, *, as_frame: Literal[False] = False, **filter: Any
    ) -> List[Dict[str, Any]]: ...

    @overload
    def find_testing_log(
        self, sort: Sort = None, limit: Optional[int] = None, *, as_frame: Literal[True], **filter: Any
    ) -> Any: ...

    def find_testing_log(
        self, sort: Sort = None, limit: Optional[int] = None, *, as_frame: bool = False, **filter: Any
    ) -> Any:
        """The entries of the testing log that match, oldest first unless sorted otherwise.

        :param as_frame: Whether as a DataFrame of pandas: see :func:`tensorhub.frames.of_log`.
        :returns: A list of dictionaries, unless ``as_frame``.
        """
        return self._find_log("testing", sort, limit, as_frame, filter)

    find_training_logs = find_training_log
    find_validation_logs = find_validation_log
    find_testing_logs = find_testing_log

    def delete_training_log(self, **filter: Any) -> int:
        """Deletes the training log's entries that match, all of the project without a filter; returns how many."""
        return self._delete("/v1/logs/training", {}, filter)

    def delete_validation_log(self, **filter: Any) -> int:
        """Deletes the validation log's entries that match, all of the project without a filter; returns how many."""
        return self._delete("/v1/logs/validation", {}, filter)

    def delete_testing_log(self, **filter: Any) -> int:
        """Deletes the testing log's entries that match, all of the project without a filter; returns how many."""
        return self._delete("/v1/logs/testing", {}, filter)

    def _save_log(self, kind: str, entry: Dict[str, Any]) -> bool:
        if self.is_attempt:
            attempt.report(entry, kind=kind)
            return True
        check_entry(entry)
        document: Dict[str, Any] = {"_id": {"$oid": values.new_id()}}
        document.update(values._encode_dictionary(entry, "log", -1, values.STORED))
        self._client.call("POST", "/v1/logs/" + kind, None, values.dumps(document))
        return True

    def _find_log(self, kind: str, sort: Sort, limit: Optional[int], as_frame: bool, filter: Dict[str, Any]) -> Any:
        pandas = frames.pandas_for("as_frame=True") if as_frame else None
        if self.is_attempt:
            attempt.flush()
        entries = self._list("/v1/logs/" + kind, filter, sort, limit=limit)
        return entries if pandas is None else frames.of_log(entries, pandas)
