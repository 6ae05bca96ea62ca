"""What is said of tasks that are there, and their changed copies."""

from __future__ import annotations

import difflib
from typing import Any, Dict, Optional, Sequence

from . import errors, references, values
from .project import Project
from .references import Ids, Task, TaskId
from .tasks import OPTIONS, _selection, _texts


class Changes(Project):
    """The part of a hub that changes tasks."""

    def set_tasks(
        self,
        task_name: Optional[str] = None,
        ids: Ids = None,
        *,
        options: Optional[Dict[str, Any]] = None,
        tags: Optional[Dict[str, Any]] = None,
        remove_tags: Optional[Sequence[str]] = None,
        where: Optional[str] = None,
        **filter: Any,
    ) -> int:
        """Changes options of the tasks that match and are pending, and tags of all that match; returns how many.

        :param options: Those of :meth:`create_task`, such as ``{"priority": 5, "timeout": 3600}``; ``None`` takes one
            away. Variables of ``env`` are added. Hyper-parameters, files and the hold are none: see
            :meth:`rerun_task`, :meth:`hold_tasks`.
        :param tags: Set in place of what they were, such as ``{"description": "wrong labels"}``.
        :param remove_tags: Names of tags.
        :raises errors.InvalidInput: names what cannot be; nothing was changed then.
        :raises errors.Refused: inside of a task, as for :meth:`rerun_task`.
        """
        body = _selection(task_name, ids, where, filter) or {"filter": {}}
        if options:
            body["options"] = _changes(options)
        if tags:
            body["tags"] = values.encode(tags, "tags")
        if remove_tags:
            body["remove_tags"] = _texts("remove_tags", remove_tags)
        return int(self._client.call("POST", "/v1/tasks/set", None, values.dumps(body)).get("changed", 0))

    def rerun_task(
        self,
        id: Task,
        hyper_parameters: Optional[Dict[str, Any]] = None,
        *,
        task_name: Optional[str] = None,
        tags: Optional[Dict[str, Any]] = None,
        **options: Any,
    ) -> TaskId:
        """Creates a task that is another one with changes: ``rerun_task(id, {"lr": 0.01}, timeout=3600)``.

        Script, files, hyper-parameters, result keys, tags and options are those of that task, but for its times and its
        hold. The new one says where it comes from.

        :param id: Its number or identifier, or the document that ``find_top_task`` gave.
        :param hyper_parameters: In place of those of the same names.
        :param task_name: Another name.
        :param tags: In place of those of the same names.
        :param options: As of :meth:`create_task`; ``None`` takes one away.
        :returns: The identifier of the new task, with its ``number``.
        :raises errors.NotFound: where there is no such task in the project.
        """
        if task_name is not None:
            values.checked_name(task_name, "task_name")
        body: Dict[str, Any] = {"name": task_name, "options": _changes(options)}
        body["hyper_parameters"] = values.encode(hyper_parameters or {}, "hyper_parameters")
        body["tags"] = values.encode(tags or {}, "tags")
        path = "/v1/tasks/%s/rerun" % references.single(id)
        answer = self._client.call("POST", path, None, values.dumps(body), repeatable=False, account=references.account())
        return references.created(answer["id"], answer.get("number"))


def _changes(options: Dict[str, Any]) -> Dict[str, Any]:
    for name in options:
        if name not in OPTIONS:
            near = difflib.get_close_matches(str(name).lower(), list(OPTIONS), 1, 0.6)
            hint = "did you mean %r?" % near[0] if near else "the options are %s" % ", ".join(sorted(OPTIONS))
            raise errors.invalid(str(name), "%s: there is no option %r; %s" % (name, name, hint))
    return {name: None if value is None else OPTIONS[name](name, value) for name, value in options.items()}
