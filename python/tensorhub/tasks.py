"""The tasks of a project: creating, watching, running and deleting them."""

from __future__ import annotations

import datetime
import difflib
import os
import subprocess
import time
from typing import Any, Callable, Dict, Iterable, Iterator, List, Literal, Optional, Sequence, Tuple, Union, overload

from . import errors, output, references, server, values
from .project import Project, Sort, checked_where
from .references import Ids, Task, TaskId
from .why import Why

#: The words in a task's ``status``.
STATES = ("pending", "running", "finished", "failed", "cancelled")

Seconds = Union[None, int, float, datetime.timedelta]

Files = Union[None, Sequence[Union[str, "os.PathLike[str]"]], Dict[str, Union[str, bytes, "os.PathLike[str]"]]]

#: Seconds of one long poll.
POLL = 30


class Tasks(Project):
    """The part of a hub that is about tasks."""

    def create_task(
        self,
        task_name: Optional[str] = None,
        script: Union[None, str, "os.PathLike[str]"] = None,
        hyper_parameters: Optional[Dict[str, Any]] = None,
        saved_result_keys: Optional[Sequence[str]] = None,
        *,
        args: Optional[Sequence[str]] = None,
        command: Optional[Sequence[str]] = None,
        parameter_args: Optional[str] = None,
        cwd: Union[None, str, "os.PathLike[str]"] = None,
        python: Union[None, str, "os.PathLike[str]"] = None,
        env: Optional[Dict[str, str]] = None,
        files: Files = None,
        interpreter: Optional[str] = None,
        priority: Optional[int] = None,
        max_failures: Optional[int] = None,
        backoff: Seconds = None,
        rules: Optional[Sequence[str]] = None,
        timeout: Seconds = None,
        stall: Seconds = None,
        grace: Seconds = None,
        not_before: Optional[datetime.datetime] = None,
        deadline: Optional[datetime.datetime] = None,
        hold: Optional[bool] = None,
        **tags: Any,
    ) -> TaskId:
        """Creates a task that any runner of the project may take.

        :param script: The file name of the script, which is sent along as it is now; left out with ``command``.
        :param hyper_parameters: The script's arguments; a Python script has them as global variables.
        :param saved_result_keys: Names of the global variables, or results, that are wanted back.
        :param args: What follows the script on its command line; ``{lr}`` there becomes the hyper-parameter ``lr``.
        :param command: A program and its arguments in the place of a script, such as
            ``["python3", "-m", "pkg.train", "--lr", "{lr}"]``.
        :param parameter_args: Hands all hyper-parameters over as arguments: ``"hyphens"`` as ``--name=value``,
            ``"no-hyphens"`` as ``name=value``, ``"no-boolean-flags"`` as ``--name`` where one is true.
        :param cwd: A folder of the runners' that the script runs in, such as one on NFS; it is not sent along.
        :param python: The Python of the runner's: a program, a virtual environment or ``"conda:NAME"``.
        :param env: Environment variables of the script.
        :param files: More files for the script's folder: paths, each under its last name, or a dictionary from a name
            to a path or to bytes.
        :param interpreter: What starts the script; else its first line (``#!``) or its name's ending says so.
        :param priority: Higher goes first; 0 unless given.
        :param max_failures: How many failures make the task ``failed``; 3 unless given.
        :param backoff: Seconds it waits after its first failure, twice as long after each further one; 10 unless given.
        :param rules: What else than a retry follows a failure of a certain kind, such as ``["exit=3:fail"]``.
        :param timeout: Seconds that an attempt may run.
        :param stall: Seconds that its script may print nothing.
        :param grace: Seconds from SIGTERM to SIGKILL when it is stopped.
        :param not_before: No attempt begins before this time of the server's clock; without a time zone it is UTC.
        :param deadline: Where nobody has taken it by this time it is failed.
        :param hold: Whether it waits until somebody releases it.
        :param tags: What it is found by, such as a description. A name that is nearly that of an option is refused.
        :returns: The identifier of the task; its ``number`` is short enough to be typed.
        :raises errors.Refused: inside of a task: only a distributor creates tasks.
        """
        given = locals()
        values.checked_name(task_name, "task_name")
        if command is None and not isinstance(script, (str, os.PathLike)):
            raise TypeError("script: %r is no file name" % (script,))
        if command is not None and script is not None:
            raise errors.invalid("command", "command: a task is a script or a command; send the script with files=")
        _check_tags(tags)
        keys = _texts("saved_result_keys", saved_result_keys)
        options = {name: read(name, given[name]) for name, read in OPTIONS.items() if given[name] is not None}
        document: Dict[str, Any] = {
            "name": task_name,
            "hyper_parameters": values.encode(hyper_parameters or {}, "hyper_parameters"),
            "saved_result_keys": keys,
            "tags": values.encode(tags, "tags"),
        }
        if script is not None:
            with open(script, "rb") as file:
                document["script"] = _text(file.read())
            document["script_path"] = os.path.basename(os.fspath(script))
        document.update(options)
        body = values.dumps(document)
        answer = self._client.call("POST", "/v1/tasks", None, body, repeatable=False, account=references.account())
        return references.created(answer["ids"][0], answer.get("numbers", [None])[0])

    def check_unfinished_task(
        self, task_name: Optional[str] = None, *, where: Optional[str] = None, **filter: Any
    ) -> bool:
        """Whether any task of that name that matches is pending or running."""
        query = self._query(filter, None, name=task_name, where=where)
        answer = self._client.call("GET", "/v1/tasks/unfinished", query)
        return bool(answer["unfinished"])

    def wait_tasks(
        self,
        task_name: Optional[str] = None,
        ids: Ids = None,
        timeout: Optional[float] = None,
        *,
        missing_ok: bool = False,
        where: Optional[str] = None,
        **filter: Any,
    ) -> Dict[str, int]:
        """Waits until no task that matches is pending or running.

        :param where: Short conditions, as of :meth:`find_tasks`.
        :param timeout: Seconds; ``None`` waits for ever.
        :param missing_ok: Whether it is no error that no task matches.
        :returns: How many there are of each state.
        :raises TimeoutError: when the time is over before.
        :raises errors.NotFound: where no task matches, as for a misspelled name.
        """
        ids = None if ids is None else references.several(ids)
        deadline = None if timeout is None else time.monotonic() + timeout
        body = _selection(task_name, ids, where, filter)
        while True:
            left = float(POLL) if deadline is None else min(float(POLL), deadline - time.monotonic())
            body["timeout"] = max(0.0, left)
            answer = self._client.call("POST", "/v1/tasks/wait", None, values.dumps(body), timeout=POLL + 60)
            counts: Dict[str, int] = answer.get("counts", {})
            if answer["done"]:
                if not counts and not missing_ok and ids != []:
                    what = "" if task_name is None else " of the name %r" % task_name
                    message = "no task%s matches in project %r; missing_ok=True takes that for done"
                    raise errors.make(errors.NotFound, message % (what, self.project_name), "not-found")
                return counts
            if deadline is not None and time.monotonic() >= deadline:
                unfinished = counts.get("pending", 0) + counts.get("running", 0)
                raise TimeoutError("%d tasks are still unfinished after %g s" % (unfinished, timeout or 0))

    def find_tasks(
        self,
        task_name: Optional[str] = None,
        sort: Sort = None,
        limit: Optional[int] = None,
        status: Optional[str] = None,
        *,
        where: Optional[str] = None,
        **filter: Any,
    ) -> List[Dict[str, Any]]:
        """The tasks that match, without their scripts: ``status``, ``result``, ``hyper_parameters``, tags.

        :param where: Short conditions, all of which must hold: ``"state:failed name:mnist* lr<0.01 accuracy>0.9"``;
            docs/filters.md. A tag named ``where`` is found by ``where="tag.where=VALUE"``.
        :raises errors.InvalidInput: for conditions that cannot be understood; names the word and its place.
        """
        if status is not None and status not in STATES:
            raise errors.invalid("status", "status: %r is no state of a task; the states are %s" % (status, ", ".join(STATES)))
        return self._list("/v1/tasks", filter, sort, name=task_name, limit=limit, status=status, where=where)

    def find_top_task(
        self, task_name: Optional[str] = None, sort: Sort = None, *, where: Optional[str] = None, **filter: Any
    ) -> Any:
        """The first task that matches, such as the best: ``sort=[("result.test_accuracy", -1)]``; ``False`` if none."""
        found = self.find_tasks(task_name, sort, 1, where=where, **filter)
        return found[0] if found else False

    find_task = find_top_task

    def delete_tasks(self, task_name: Optional[str] = None, *, where: Optional[str] = None, **filter: Any) -> int:
        """Deletes all tasks of the project that match, but running ones, which can be cancelled; returns how many."""
        return self._delete("/v1/tasks", {"name": task_name, "where": where}, filter)

    def cancel_tasks(
        self,
        task_name: Optional[str] = None,
        ids: Ids = None,
        *,
        where: Optional[str] = None,
        **filter: Any,
    ) -> int:
        """Cancels the tasks that match and are pending or running; returns how many."""
        body = _selection(task_name, ids, where, filter) or {"filter": {}}
        return int(self._client.call("POST", "/v1/tasks/cancel", None, values.dumps(body)).get("cancelled", 0))

    def retry_tasks(
        self,
        task_name: Optional[str] = None,
        ids: Ids = None,
        *,
        where: Optional[str] = None,
        **filter: Any,
    ) -> int:
        """Runs the tasks that match and have ended again; their history and output stay. Returns how many.

        :raises errors.Refused: inside of a task, as for :meth:`hold_tasks` and :meth:`release_tasks`.
        """
        return self._change("retry", "retried", task_name, ids, where, filter)

    def hold_tasks(
        self,
        task_name: Optional[str] = None,
        ids: Ids = None,
        *,
        where: Optional[str] = None,
        **filter: Any,
    ) -> int:
        """Keeps the tasks that match and are pending from being started until they are released; returns how many."""
        return self._change("hold", "held", task_name, ids, where, filter)

    def release_tasks(
        self,
        task_name: Optional[str] = None,
        ids: Ids = None,
        *,
        where: Optional[str] = None,
        **filter: Any,
    ) -> int:
        """Lets the tasks that match and are held be started; returns how many."""
        return self._change("release", "released", task_name, ids, where, filter)

    def _change(
        self,
        verb: str,
        participle: str,
        task_name: Optional[str],
        ids: Ids,
        where: Optional[str],
        filter: Dict[str, Any],
    ) -> int:
        body = _selection(task_name, ids, where, filter) or {"filter": {}}
        return int(self._client.call("POST", "/v1/tasks/" + verb, None, values.dumps(body)).get(participle, 0))

    def why(self, id: Task) -> Why:
        """Why a task waits, where it runs, or how it ended: a dictionary, of which ``print`` makes sentences.

        :param id: Its number or identifier, or the document that ``find_top_task`` gave.
        :raises errors.NotFound: where there is no such task in the project.
        """
        return Why(self._client.call("GET", "/v1/tasks/%s/why" % references.single(id)))

    @overload
    def logs(self, id: Task, attempt: Optional[int] = None, follow: Literal[False] = False) -> str: ...

    @overload
    def logs(self, id: Task, attempt: Optional[int] = None, *, follow: Literal[True]) -> Iterator[str]: ...

    def logs(self, id: Task, attempt: Optional[int] = None, follow: bool = False) -> Union[str, Iterator[str]]:
        """What the script of a task printed so far; of a progress bar the last state of each line.

        :param id: Its number or identifier, or the document that ``find_top_task`` gave.
        :param attempt: The number of an attempt, from 1; the latest unless given.
        :param follow: Gives the lines one by one instead, as they come, without their ends, until the task has ended.
        :returns: A text, empty where nothing was printed. What is no UTF-8 is U+FFFD in it.
        :raises errors.NotFound: where there is no such task, or it has had fewer attempts.
        """
        return (output.follow if follow else output.read)(self._client, references.single(id), attempt)

    def run_top_task(self, task_name: Optional[str] = None, sort: Sort = None, **filter: Any) -> bool:
        """Claims one pending task and runs it to its end, as `tensorhubd --once` does, in processes of its own.

        :param sort: ``[("time", -1)]`` for the newest first.
            Short conditions (``where=``) are not taken here.
        :returns: Whether there was one and it succeeded.
        :raises errors.Refused: inside of a task, and where MongoDB's address is not known.
        """
        if self.is_attempt or self._uri is None:
            reason = "a task runs no other" if self.is_attempt else "a hub behind a url runs none; give MongoDB's uri="
            raise errors.make(errors.Refused, reason, "read-only")
        if "where" in filter:
            raise errors.invalid("where", "where: running a task takes no short conditions; give the name or a filter")
        command = [server.executable("tensorhubd"), "--once"]
        if task_name is not None and "," not in task_name:
            command += ["--task-names", task_name]
        elif task_name is not None:
            filter = {"task_name": task_name, **filter}
        if filter:
            command += ["--filter", values.dumps(values.filter_document(filter))]
        if sort is not None:
            command += ["--sort", values.dumps(values.sort_document(sort))]
        environment = server.environment(self._uri, self.project_name)
        status = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode
        if status == 2 or status == 69:
            raise errors.make(errors.Unreachable if status == 69 else errors.InvalidInput, _FAILURES[status], "database")
        return status == 0

    run_task = run_top_task


def _check_tags(tags: Dict[str, Any]) -> None:
    """A misspelled option must not become a tag that nobody looks at."""
    for name in tags:
        plain = name.lower().replace("-", "_").strip("_")
        known = {option.replace("_", ""): option for option in [*OPTIONS, "saved_result_keys", "hyper_parameters"]}
        near = difflib.get_close_matches(plain.replace("_", ""), list(known), 1, 0.85)
        if near:
            option = known[near[0]]
            message = "%s: there is no option %r; did you mean %r? A tag needs a name that is less like it"
            raise errors.invalid(name, message % (name, name, option))


def _texts(field: str, texts: Any) -> List[str]:
    """A list of texts; one text is none: its letters would pass for the list."""
    if texts is None:
        return []
    if isinstance(texts, (str, bytes)) or not all(isinstance(text, str) for text in texts):
        raise errors.invalid(field, "%s: %r is no list of texts; write [%r]" % (field, texts, str(texts)))
    return [values.checked_text(text, "%s: %r" % (field, text), field) for text in texts]


def _plain(field: str, value: Any) -> Any:
    return values.encode(value, field)


def _seconds(field: str, value: Any) -> Any:
    seconds = value.total_seconds() if isinstance(value, datetime.timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise errors.invalid(field, "%s: %r is no number of seconds" % (field, value))
    return values.encode(float(seconds), field)


def _time(field: str, value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return values.encode(value, field)
    raise errors.invalid(field, "%s: %r is no time; give a datetime.datetime" % (field, value))


def _path(field: str, value: Any) -> str:
    return values.checked_text(os.fspath(value), "%s: %r" % (field, value), field)


def _environment(field: str, variables: Any) -> Dict[str, str]:
    for name, value in dict(variables).items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise errors.invalid(field, "%s: the variable %r is %r; names and values are texts" % (field, name, value))
    return {name: values.checked_text(value, "%s: %r" % (field, value), field) for name, value in variables.items()}


def _selection(
    name: Optional[str], ids: Ids, where: Optional[str], filter: Dict[str, Any]
) -> Dict[str, Any]:
    body: Dict[str, Any] = {}
    if name is not None:
        body["name"] = name
    if ids is not None:
        body["ids"] = [references.listed(identifier) for identifier in references.several(ids)]
    if where is not None:
        body["where"] = checked_where(where)
    if filter:
        body["filter"] = values.filter_document(filter)
    return body


_FAILURES = {
    2: "tensorhubd does not take its settings; it has said why on standard error",
    69: "tensorhubd does not reach MongoDB; it has said why on standard error",
}


def _text(data: bytes) -> Any:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return values.encode(data)
    return text if "\0" not in text else values.encode(data)


def _files(field: str, files: Any) -> List[Dict[str, Any]]:
    return [_file(name, source) for name, source in _named(files)]


def _named(files: Any) -> Iterable[Tuple[str, Any]]:
    if isinstance(files, dict):
        return list(files.items())
    if isinstance(files, (str, bytes, os.PathLike)):
        raise TypeError("files: give a list of paths, or a dictionary from names to paths or bytes")
    return [(os.path.basename(os.fspath(path)), path) for path in files]


def _file(name: str, source: Any) -> Dict[str, Any]:
    result: Dict[str, Any] = {"path": values.checked_text(name, "files: the name %r" % (name,), "files")}
    if isinstance(source, (bytes, bytearray)):
        data = bytes(source)
    else:
        with open(source, "rb") as file:
            data = file.read()
            result["mode"] = os.fstat(file.fileno()).st_mode & 0o777
    result["data"] = values.encode(data)
    return result


#: What :meth:`Tasks.create_task` takes besides tags, and what checks it and makes JSON of it.
OPTIONS: Dict[str, Callable[[str, Any], Any]] = {
    "interpreter": _plain, "priority": _plain, "max_failures": _plain, "backoff": _seconds, "rules": _texts,
    "timeout": _seconds, "stall": _seconds, "grace": _seconds, "not_before": _time, "deadline": _time, "hold": _plain,
    "args": _texts, "command": _texts, "parameter_args": _plain, "cwd": _path, "python": _path, "env": _environment,
    # The last, because they are read whole.
    "files": _files,
}  # fmt: skip
