"""Why a task is where it is: the facts of the hub, and the sentences that `tensorhub why` makes of them."""

from __future__ import annotations

import datetime
import html
import re
from typing import Any, Callable, Dict, List, Optional, Tuple

from .output import Lines

Facts = Dict[str, Any]


class Why(Dict[str, Any]):
    """What the hub found out about a task, as a dictionary; ``print(why)`` has it in sentences.

    ``status`` and ``time`` (when it was found out, by the server's clock) are always there; of a pending task
    ``obstacles``, ``ahead`` and ``runners``, of a running one ``execution``; ``history`` has the attempts and ``error``
    the latest failure.
    """

    def __str__(self) -> str:
        try:
            return _text(self)
        except (KeyError, TypeError, ValueError, AttributeError):
            return dict.__repr__(self)  # a newer hub has other facts

    def _repr_html_(self) -> str:
        return "<pre>%s</pre>" % html.escape(str(self))


def _text(why: Facts) -> str:
    name = " (%s)" % why["task_name"] if why.get("task_name") else ""
    text = _line("task %s%s is %s" % (_label(why), name, _headline(why)))
    if why["status"] == "pending":
        text += _pending(why)
    elif why["status"] == "running":
        text += _running(why)
    elif why["status"] == "cancelled" and isinstance(why.get("cancel"), dict):
        text += _columns([("cancelled", _request(why["cancel"]))], "  ")
    return (text + _attempts(why) + _error(why)).rstrip("\n")


def _label(why: Facts) -> str:
    """What people call the task."""
    return str(why.get("number") or why["_id"])


def _headline(why: Facts) -> str:
    status = str(why["status"])
    if status == "pending":
        return status + (", created %s" % _ago(why["created"], why) if "created" in why else "")
    key = "started" if status == "running" else "ended"
    if key not in why:
        return status
    length = _length(why["time"] - why[key]) if status == "running" else _ago(why[key], why)
    return "%s since %s (%s)" % (status, _time(why[key]), length)


# MARK: Pending


def _pending(why: Facts) -> str:
    obstacles: List[Facts] = why["obstacles"]
    text = "".join(_line("  " + _obstacle(each, why)) for each in obstacles)
    text += _line("  place in line: %s, by priority, then age" % _ahead(why["ahead"]))
    if "deadline" in why:
        words = "  queue deadline: %s (%s); if it is still pending then, it fails"
        text += _line(words % (_time(why["deadline"]), _until(why["deadline"], why)))
    if not why["runners"]:
        return text
    return (
        text + "\nrunners\n" + _columns([(_name(each), _runner(each, not obstacles)) for each in why["runners"]], "  ")
    )


_OBSTACLES: Dict[str, Callable[[Facts, Facts], str]] = {
    "held": lambda o, why: "it is held; `tensorhub release %s` lets it start" % _label(why),
    "not-before": lambda o, why: "it waits for its time, %s" % _both(o, why),
    "backing-off": lambda o, why: "failure %d of %d%s; it is tried again at %s"
    % (o["failures"], o["max_failures"], _cause(o), _both(o, why)),
    "interrupted": lambda o, why: "it was given back%s; it goes on at %s" % (_cause(o), _both(o, why)),
    "due": lambda o, why: "its time has come; the next runner that looks at the queue makes it ready, within seconds",
    "not-adopted": lambda o, why: "another program wrote it; the next runner that looks at the queue adopts it, within "
    "seconds",
    "not-ready": lambda o, why: "hub.ready is false and no field says why; set it to true, or submit the task again",
    "no-runner": lambda o, why: "no runner of this project is known; start tensorhubd on a machine",
    "newer-version": lambda o, why: "it needs a runner that knows version %d of tasks, and this TensorHub knows %d; "
    "start a newer tensorhubd" % (o["version"], o["known"]),
    "repeated-key": lambda o, why: "it has the key '%s' twice, so that no runner can take it; submit it again with "
    "each key once" % o["key"],
}


def _obstacle(obstacle: Facts, why: Facts) -> str:
    words = _OBSTACLES.get(obstacle["kind"])
    return str(obstacle["kind"] if words is None else words(obstacle, why))


def _cause(facts: Facts) -> str:
    return " (%s)" % facts["cause"] if facts.get("cause") else ""


def _both(obstacle: Facts, why: Facts) -> str:
    return "%s (%s)" % (_time(obstacle["until"]), _until(obstacle["until"], why))


def _ahead(count: Facts) -> str:
    number = count["number"]
    if not number:
        return "no other task goes first"
    few = "%d task goes first" if number == 1 else "%d tasks go first"
    return ("at least " if count["capped"] else "") + few % int(number)


def _name(runner: Facts) -> str:
    return str(runner["name"] or runner["_id"])


def _resume(state: str) -> Callable[[Facts, str], str]:
    return lambda o, name: "%s%s%s; `tensorhub runner resume %s`" % (state, _by(o), _reason(o), name)


_RUNNER_OBSTACLES: Dict[str, Callable[[Facts, str], str]] = {
    "lost": lambda o, name: "lost%s; look at its machine and its network, and start its daemon again"
    % (", silent for " + _length(datetime.timedelta(seconds=o["silence"])) if "silence" in o else ""),
    "paused": _resume("paused"),
    "draining": _resume("draining"),
    "drained": _resume("drained"),
    "stopping": lambda o, name: "stopping%s; start a new daemon there" % _by(o),
    "full": lambda o, name: "no free slot, %s taken%s; it looks again when one is free"
    % (
        "its one is" if o["slots"] == 1 else "all %d are" % o["slots"],
        " (%d of them out of service; see its log)" % o["blocked"] if o["blocked"] else "",
    ),
    "other-names": lambda o, name: "takes only tasks named %s; change its task-names, or submit under such a name"
    % ", ".join(o["names"]),
    "filtered": lambda o, name: "its filter does not match, %s; change the task's fields or the runner's filter"
    % o["filter"],
    "filter-fails": lambda o, name: "its filter cannot be evaluated: %s; correct the runner's filter" % o["message"],
    "refused": lambda o, name: "MongoDB takes no claims of it: %s; it claims once MongoDB lets it" % o["message"],
    "lacks": lambda o, name: "%s has %s; the task goes to another machine" % (o["host"], o["what"]),
    "avoided": lambda o, name: "the task failed there and is to be tried elsewhere; another runner has to take it",
}


def _reason(obstacle: Facts) -> str:
    reason = (obstacle.get("control") or {}).get("reason")
    return " by itself: %s" % reason if reason else ""


def _by(obstacle: Facts) -> str:
    by = (obstacle.get("control") or {}).get("by")
    return " by %s" % by if by else ""


def _runner(runner: Facts, is_ready: bool) -> str:
    name, sentences = _name(runner), []
    for obstacle in runner["obstacles"]:
        words = _RUNNER_OBSTACLES.get(obstacle["kind"])
        sentences.append(str(obstacle["kind"]) if words is None else words(obstacle, name))
    if runner.get("ahead") and runner["ahead"]["number"]:
        sentences.append(_ahead(runner["ahead"]))
    return ". ".join(sentences) or ("takes it next" if is_ready else "would take it at once")


# MARK: Running and ended


def _running(why: Facts) -> str:
    execution: Facts = why["execution"]
    facts: List[Tuple[str, Optional[str]]] = []
    if execution.get("host"):
        runner = ", runner %s, %s" % (execution["runner"], execution["state"]) if "state" in execution else ""
        facts.append(("on", execution["host"] + runner))
    if "lease_expires" not in execution:
        lease = "none: a runner of TensorLayer's has it, which tells nobody whether it lives"
    elif execution["lease_expired"]:
        lease = "ended %s: its runner is gone or cut off; unless it comes back, the task will be rescued by another "
        lease = (lease + "runner") % _ago(execution["lease_expires"], why)
    else:
        lease = "ends %s unless renewed, as it is all the time" % _until(execution["lease_expires"], why)
    facts.append(("lease", lease))
    last = execution.get("last_output")
    facts.append(("last output", "none yet" if last is None else _ago(last, why)))
    if "cancel" in execution:
        facts.append(("cancelling", _request(execution["cancel"]) + "; its script is being stopped"))
    for refusal in execution.get("refused", []):
        length = " (for %s)" % _length(why["time"] - refusal["since"]) if "since" in refusal else ""
        facts.append(("refused", "%s%s; the attempt stays open until MongoDB takes it" % (refusal["text"], length)))
    return _columns(facts, "  ")


def _request(cancel: Facts) -> str:
    by = " by %s" % cancel["by"] if cancel.get("by") else ""
    at = " at %s" % _time(cancel["time"]) if cancel.get("time") else ""
    return "asked for" + by + at + (": %s" % cancel["reason"] if cancel.get("reason") else "")


def _attempts(why: Facts) -> str:
    history = [each for each in why["history"] if isinstance(each, dict)]
    if not history:
        return ""
    rows = [["ATTEMPT", "HOST", "STARTED", "DURATION", "ENDED WITH", "EXIT", "SIGNAL", "PEAK MEMORY"]]
    for each in history:
        start, end = each.get("start"), each.get("end", why["time"])
        cause = each.get("cause", "running") + (", output lost" if each.get("output_lost") else "")
        cause += ", %d not stored" % each["refused"] if each.get("refused") else ""
        rows.append([
            str(each.get("attempt", 0)), str(each.get("host", "")), _time(start) if start else "",
            _length(end - start) if start else "", cause, str(each.get("exit", "")), str(each.get("signal", "")),
            "%d MiB" % (each["peak_memory"] + (1 << 19) >> 20) if "peak_memory" in each else "",
        ])  # fmt: skip
    rows = [[_one_line(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    text = "\nattempts\n"
    for row in rows:
        # Numbers to the right, texts to the left.
        sides = [str.rjust if column in (0, 3, 5, 6, 7) else str.ljust for column in range(len(row))]
        text += "  ".join(side(cell, width) for side, cell, width in zip(sides, row, widths)).rstrip(" ") + "\n"
    return text


def _error(why: Facts) -> str:
    error = why.get("error")
    if not isinstance(error, dict):
        return ""
    text = "\nerror\n" + _columns([("kind", error.get("kind", "unknown")), ("message", error.get("message", ""))], "  ")
    tail = error.get("tail")
    if tail:
        lines = Lines()
        printed = lines.add(tail.encode("utf-8", "replace")) + lines.finish()
        text += "  last output\n" + "".join("    %s\n" % _printed(line) for line in printed)
    return text


# MARK: Words


def _columns(pairs: List[Tuple[str, Optional[str]]], indent: str) -> str:
    shown = [(_one_line(str(name)), _one_line(str(value))) for name, value in pairs if value is not None]
    width = max((len(name) for name, _ in shown), default=0)
    return "".join("%s%s  %s\n" % (indent, name.ljust(width), value) for name, value in shown)


def _line(text: str) -> str:
    return _one_line(text) + "\n"


#: Also the overrides of the writing direction, which make text look like another.
_CONTROLS = {*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
_ESCAPES = {code: "\\u{%x}" % code for code in _CONTROLS}
_ESCAPES.update({ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"})


def _one_line(text: str) -> str:
    """The text with control characters as escapes, so that nothing that somebody stored can move the cursor."""
    return text.translate(_ESCAPES)


#: What terminals take for commands: colours, moves of the cursor, titles.
_SEQUENCE = re.compile("\x1b(?:\\[[^@-~]*[@-~]?|[]PX^_][^\x07\x1b]*(?:\x07|\x1b.?)?|.?)", re.S)
_REMOVED = dict.fromkeys(_CONTROLS - {ord("\t")})


def _printed(line: str) -> str:
    """A line of a script's output without what would command a terminal."""
    return _SEQUENCE.sub("", line).translate(_REMOVED)


def _time(time: datetime.datetime) -> str:
    text = time.strftime("%Y-%m-%dT%H:%M:%S")
    return text + (".%03d" % (time.microsecond // 1000) if time.microsecond >= 1000 else "") + "Z"


def _ago(time: datetime.datetime, why: Facts) -> str:
    return _length(why["time"] - time) + " ago"


def _until(time: datetime.datetime, why: Facts) -> str:
    return "in " + _length(time - why["time"]) if time > why["time"] else _ago(time, why)


def _length(length: datetime.timedelta) -> str:
    milliseconds = length // datetime.timedelta(milliseconds=1)
    if milliseconds < 1000:
        return "%dms" % max(0, milliseconds)
    seconds = milliseconds // 1000
    if seconds < 60:
        return "%ds" % seconds
    if seconds < 3600:
        return "%dm%02ds" % divmod(seconds, 60)
    if seconds < 86_400:
        return "%dh%02dm" % divmod(seconds // 60, 60)
    return "%dd%02dh" % divmod(seconds // 3600, 24)
