"""Tasks after they were created: retried, held and released; why they wait or how they ended; what they printed."""

import datetime
import getpass
import os
import re
import threading
import unittest

from support import ServerTestCase, eventually, needs_server, start_program

import tensorhub
from tensorhub.output import Lines
from tensorhub.why import Why

try:
    import bson
    import pymongo
except ImportError:
    pymongo = None


class LineTests(unittest.TestCase):
    """The rules of `tensorhub logs` (OutputLinesTests)."""

    def lines(self, *pieces):
        lines = Lines()
        return [line for piece in pieces for line in lines.add(piece)] + lines.finish()

    def test_of_a_line_that_is_overwritten_the_last_state_is_left(self):
        for text, wanted in (
            (b"a\nb\n", ["a", "b"]), (b"a\n\nb", ["a", "", "b"]), (b"1%\r2%\r3%\nend", ["3%", "end"]),
            (b"a\r\nb\r\r\n", ["a", "b"]), (b"1%\r2%\r", ["2%"]), (b"\r", []), (b"", []), (b"\n", [""]),
            (b"\rx\n", ["x"]), (b"\xc3\xa9\xff\n", ["é\ufffd"]), (b"a\r\rb", ["b"]), (b"ab\rc", ["c"]),
        ):  # fmt: skip
            self.assertEqual(self.lines(text), wanted, text)
            # However it comes.
            self.assertEqual(self.lines(*(text[i : i + 1] for i in range(len(text)))), wanted, text)
            for cut in range(len(text)):
                self.assertEqual(self.lines(text[:cut], text[cut:]), wanted, text)

    def test_a_progress_bar_that_never_ends_a_line_takes_no_room(self):
        lines = Lines()
        for number in range(1000):
            self.assertEqual(lines.add(b"%d%%" % number + b" " * 1000 + b"\r"), [])
        self.assertLess(len(lines._unfinished), 3000)
        self.assertEqual([line.strip() for line in lines.finish()], ["999%"])


@needs_server
class ChangeTests(ServerTestCase):
    def setUp(self):
        super().setUp()
        script = self.file("train.py", "pass")
        self.ids = [self.db.create_task(name, script, tag=tag) for name, tag in (("a", 1), ("a", 2), ("b", 1))]

    def held(self):
        return [task["hub"].get("hold", False) for task in self.db.find_tasks()]

    def test_tasks_are_held_and_released_by_name_id_and_filter(self):
        self.assertEqual(self.db.hold_tasks("a"), 2)
        self.assertEqual(self.held(), [True, True, False])
        self.assertEqual(self.db.release_tasks(ids=self.ids[:1]), 1)
        self.assertEqual(self.db.hold_tasks(tag=1), 2)
        self.assertEqual(self.db.release_tasks("a", tag=2), 1)
        self.assertEqual(self.held(), [True, False, True])
        self.assertEqual((self.db.hold_tasks(ids=[]), self.db.release_tasks("nothing")), (0, 0))
        self.assertEqual(self.db.release_tasks(), 2)

    def test_ended_tasks_are_retried(self):
        self.assertEqual(self.db.retry_tasks(), 0)
        self.db.cancel_tasks("a")
        self.assertEqual(self.db.retry_tasks("a", tag=1), 1)
        self.assertEqual([task["status"] for task in self.db.find_tasks()], ["pending", "cancelled", "pending"])
        self.assertEqual(self.db.retry_tasks(ids=self.ids), 1)
        self.db.cancel_tasks("b")
        self.assertEqual(self.db.retry_tasks("a", status="cancelled"), 0)
        self.assertEqual(self.db.retry_tasks(status="cancelled"), 1)

    def test_options_and_tags_are_set(self):
        changed = self.db.set_tasks("a", options={"priority": 5, "timeout": 90}, tags={"note": "n"}, remove_tags=["tag"])
        self.assertEqual(changed, 2)
        task = self.db.find_top_task(_id=self.ids[0])
        self.assertEqual((task["hub"]["priority"], task["hub"]["timeout"], task["note"]), (5, 90, "n"))
        self.assertNotIn("tag", task)
        self.assertEqual(self.db.set_tasks(ids=self.ids[:1], options={"timeout": None}), 1)
        self.assertNotIn("timeout", self.db.find_top_task(_id=self.ids[0])["hub"])
        for options, words in (
            ({"priorty": 5}, "did you mean 'priority'"), ({"x": 5}, "there is no option 'x'"),
            ({"args": ["{rl}"]}, "names no hyper-parameter"), ({"timeout": "1h"}, "no number of seconds"),
            ({"files": {"a": b"x"}}, "run it again"),
        ):  # fmt: skip
            with self.assertRaisesRegex(tensorhub.InvalidInput, words):
                self.db.set_tasks(options=options, tags={"never": 1})
        with self.assertRaisesRegex(tensorhub.InvalidInput, "nothing is to be set"):
            self.db.set_tasks()
        self.assertEqual(self.db.find_tasks(never=1), [])

    def test_a_task_is_run_again_with_changes(self):
        old = self.db.create_task("c", self.file("c.py", "pass"), {"lr": 0.1, "n": 3}, timeout=60, tag=1)
        new = self.db.rerun_task(old, {"lr": 0.5}, tags={"note": "n"}, timeout=None, priority=2)
        task = self.db.find_top_task(_id=new)
        self.assertEqual((task["hyper_parameters"], task["tag"], task["note"]), ({"lr": 0.5, "n": 3}, 1, "n"))
        self.assertEqual((str(task["hub"]["rerun_of"]), task["hub"]["priority"]), (str(old), 2))
        self.assertNotIn("timeout", task["hub"])
        self.assertEqual(task["hub"]["script_name"], "c.py")
        self.assertEqual(self.db.find_top_task(_id=self.db.rerun_task(task, task_name="d"))["task_name"], "d")
        with self.assertRaises(tensorhub.NotFound):
            self.db.rerun_task("0" * 24)
        with self.assertRaisesRegex(tensorhub.InvalidInput, "did you mean 'priority'"):
            self.db.rerun_task(old, prioritty=3)

    def test_a_number_stands_for_a_task(self):
        numbers = [identifier.number for identifier in self.ids]
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual(self.db.hold_tasks(ids=[numbers[0], "%d..%d" % (numbers[1], numbers[2])]), 3)
        self.assertEqual(self.db.release_tasks(ids=[str(numbers[1]), self.ids[2]]), 2)
        (task,) = self.db.find_tasks(where="id:%d" % numbers[2])
        self.assertEqual((task["_id"], task["hub"]["number"]), (self.ids[2], numbers[2]))
        self.assertEqual(task["hub"]["account"], getpass.getuser())
        for number in (numbers[0], str(numbers[0])):
            self.assertEqual(self.db.why(number)["_id"], self.ids[0])
            self.assertEqual(self.db.logs(number), self.db.logs(self.ids[0]))
        with self.assertRaisesRegex(tensorhub.NotFound, "no task 987654321"):
            self.db.cancel_tasks(ids=[numbers[0], 987654321])

    def test_a_text_is_no_list_of_tasks(self):
        for call in (self.db.cancel_tasks, self.db.wait_tasks, self.db.set_tasks):
            for wrong in ("12", self.ids[0], 12, {"_id": self.ids[0]}):
                with self.assertRaisesRegex(tensorhub.InvalidInput, "ids: .* is no list of tasks"):
                    call(ids=wrong)
        self.assertEqual({task["status"] for task in self.db.find_tasks(_id=self.ids[0])}, {"pending"})

    def test_an_identifier_that_is_none_is_named(self):
        for call in (self.db.why, self.db.logs):
            for wrong in ("mnist", ""):
                with self.assertRaisesRegex(tensorhub.InvalidInput, "id: .* is no number or identifier"):
                    call(wrong)
            for wrong in (None, 0, -5, True, 1.5, {}, {"_id": None}, False):
                with self.assertRaisesRegex(TypeError, "id: .* is no number or identifier"):
                    call(wrong)
            with self.assertRaisesRegex(tensorhub.NotFound, "no task 000000000000000000000000"):
                call("0" * 24)
            with self.assertRaisesRegex(tensorhub.NotFound, "no task 987654321 in project"):
                call(987654321)
        for attempt, kind in ((0, ValueError), (True, ValueError), ("1", ValueError), (2, LookupError)):
            with self.assertRaisesRegex(kind, "attempt"):
                self.db.logs(self.ids[0], attempt)
            with self.assertRaisesRegex(kind, "attempt"):
                self.db.logs(self.ids[0], attempt, follow=True)


@needs_server
class WhyTests(ServerTestCase):
    def same(self, identifier, *parts):
        """Compares the sentences with the command's, whose times are a moment later."""
        why = self.db.why(identifier)
        wanted = self.run_program("why", identifier).decode()
        for part in parts:
            self.assertIn(part, str(why))
        texts = [re.sub(r" *\d+(ms|s|m\d\ds|h\d\dm|d\d\dh)\b", " T", text) for text in (str(why), wanted.rstrip("\n"))]
        # A column is as wide as its lengths of time.
        texts = [re.sub(r" +", " ", text) for text in texts]
        self.assertEqual(*texts)
        return why

    def test_a_pending_task(self):
        script = self.file("train.py", "pass")
        held = self.db.create_task("mnist", script, hold=True, deadline=datetime.datetime(2099, 1, 1))
        why = self.same(held, "(mnist) is pending, created", "it is held", "no runner of this project", "2099-01-01T00:")
        self.assertEqual((why["status"], why["task_name"]), ("pending", "mnist"))
        self.assertEqual([obstacle["kind"] for obstacle in why["obstacles"]], ["held", "no-runner"])
        self.assertEqual(why["created"].tzinfo, datetime.timezone.utc)
        later = self.db.create_task("mnist", script, not_before=datetime.datetime(2099, 1, 1, 0, 0, 0, 5000))
        self.same(self.db.find_top_task(_id=later)["_id"], "it waits for its time, 2099-01-01T00:00:00.005Z (in ")
        self.assertEqual(self.db.why(self.db.find_top_task(_id=later))["_id"], later)
        self.db.create_task("mnist", script)
        self.same(self.db.create_task("a\x1b[2Jb\n", script), r"(a\u{1b}[2Jb\n)", "1 task goes first")

    def test_an_ended_task(self):
        text = "import sys\nprint('10%', end='\\r')\nprint('so far', '\\t')\nsys.exit('last words')\n"
        script = self.file("train.py", text)
        failed = self.db.create_task("t", script, max_failures=1)
        cancelled = self.db.create_task("u", script)
        self.db.cancel_tasks("u")
        self.keep_state_in_folder()
        self.assertFalse(self.db.run_top_task("t"))
        why = self.same(failed, "is failed since", "ATTEMPT", "exit-status", "    last words", "    so far ")
        self.assertEqual((why["history"][0]["exit"], why["error"]["kind"]), (1, "exit-status"))
        self.same(cancelled, "is cancelled since", "asked for by API at ")
        finished = self.db.create_task("v", self.file("ok.py", "pass"))
        self.assertTrue(self.db.run_top_task("v"))
        self.same(finished, "is finished since")

    def test_a_task_that_failed_and_waits(self):
        identifier = self.db.create_task("t", self.file("train.py", "raise SystemExit(3)"), backoff=1000)
        self.keep_state_in_folder()
        self.assertFalse(self.db.run_top_task("t"))
        self.same(identifier, "failure 1 of 3 (exit-status); it is tried again at ")

    @unittest.skipIf(pymongo is None, "this Python has no pymongo")
    def test_what_a_test_cannot_bring_about_by_itself(self):
        client = pymongo.MongoClient(os.environ["TENSORHUB_URI"])
        self.addCleanup(client.close)
        mongo = client.get_default_database("tensorhub")
        now = datetime.datetime.utcnow()
        by = {"state": "pause", "time": now, "by": "ann"}
        runners = [
            {"name": "gpu%d" % number, "state": state, "query": query, "control": control, "slots": slots}
            for number, (state, query, control, slots) in enumerate((
                ("paused", "{}", by, 1), ("draining", "{}", None, 1), ("drained", "{}", by, 1),
                ("stopping", "{}", None, 1), ("running", '{"names": ["other", "é"]}', None, 1),
                ("running", '{"filter": {"x": 1}}', None, 2), ("running", '{"filter": {"$nosuch": 1}}', None, 1),
                ("running", "{}", None, 0), ("running", "{}", None, 3),
            ))
        ]  # fmt: skip
        for runner in runners:
            mongo.Runner.insert_one({**runner, "project": self.project, "lease": 60.0, "heartbeat": now})
        gone = {"name": "gone", "state": "running", "slots": 1, "query": "{}"}
        mongo.Runner.insert_one({**gone, "project": self.project, "lease": 1.0})
        identifier = self.db.create_task("mnist", self.file("train.py", "pass"))
        paused = "paused by ann; `tensorhub runner resume gpu0`"
        self.same(identifier, paused, "takes only tasks named other, é", "takes it next")
        lease = {"runner": bson.ObjectId(), "token": bson.ObjectId(), "expires": now - datetime.timedelta(minutes=2)}
        history = [{"attempt": 1, "host": "gpu1", "start": now, "peak_memory": 3 << 20, "output_lost": 5, "refused": 2}]
        cancel = {"by": "ann", "reason": "wrong data", "time": now}
        for hub in (
            {"attempt": 1, "started": now, "lease": lease, "history": history, "cancel": cancel, "v": 1},
            {"attempt": 1, "started": now, "lease": {**lease, "expires": now + datetime.timedelta(hours=2)}, "v": 1},
            {},
        ):
            running = {"_id": bson.ObjectId(), "project_name": self.project, "status": "running", "time": now}
            mongo.Task.insert_one({**running, "hub": hub})
            self.same(str(running["_id"]), "is running", "lease")

    def test_facts_of_a_newer_hub_are_shown_as_they_are(self):
        time = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
        why = Why({"_id": "x", "status": "pending", "time": time, "history": []})
        self.assertEqual(str(why), dict.__repr__(why))
        why.update(obstacles=[{"kind": "new"}], ahead={"number": 0, "capped": False}, runners=[])
        self.assertIn("\n  new\n", str(why))


@needs_server
class OutputTests(ServerTestCase):
    def setUp(self):
        super().setUp()
        self.keep_state_in_folder()

    def test_what_a_task_printed_is_read_by_attempt(self):
        text = "import os\nprint('1%', end='\\r')\nprint('é', os.environ['TENSORHUB_ATTEMPT'])\nprint('end', end='')\n"
        script = self.file("t.py", text)
        identifier = self.db.create_task("t", script)
        self.assertEqual(self.db.logs(identifier), "")
        self.assertTrue(self.db.run_top_task("t"))
        self.assertEqual(self.db.logs(identifier), "é 1\nend\n")
        self.assertEqual(self.db.retry_tasks(ids=[identifier]), 1)
        self.assertTrue(eventually(lambda: self.db.run_top_task("t")))
        task = self.db.find_top_task(_id=identifier)
        self.assertEqual(self.db.logs(task), "é 2\nend\n")
        self.assertEqual(self.db.logs(identifier, 1), "é 1\nend\n")
        self.assertEqual(list(self.db.logs(identifier, follow=True)), ["é 2", "end"])
        self.assertEqual(list(self.db.logs(identifier, 1, follow=True)), ["é 1", "end", "é 2", "end"])

    def test_long_output_comes_whole(self):
        identifier = self.db.create_task("t", self.file("t.py", "for i in range(60000): print(i, 'x' * 100)"))
        self.db.run_top_task("t")
        wanted = "".join("%d %s\n" % (i, "x" * 100) for i in range(60000))
        self.assertEqual(self.db.logs(identifier), wanted)
        self.assertEqual("".join(line + "\n" for line in self.db.logs(identifier, follow=True)), wanted)

    def test_a_follower_has_each_line_while_the_task_runs_and_ends_with_it(self):
        go = os.path.join(self.folder, "go")
        script = self.file("t.py", """
            import os, time
            print("first", flush=True)
            while not os.path.exists(%r):
                time.sleep(0.01)
            print("last", flush=True)
        """ % go)  # fmt: skip
        identifier = self.db.create_task("t", script, max_failures=1)
        lines = self.db.logs(identifier, follow=True)
        seen = []
        reader = threading.Thread(target=lambda: seen.extend(iter(lambda: next(lines, None), None)), daemon=True)
        daemon = start_program(self.project, "tensorhubd", "--once")
        try:
            self.assertEqual(next(lines), "first")
            self.assertEqual(self.db.find_top_task(_id=identifier)["status"], "running")
            self.assertEqual(self.db.logs(identifier), "first\n")
            self.same_place(identifier)
            reader.start()
            open(go, "w").close()
            reader.join(40)
            self.assertEqual(seen, ["last"])
            daemon.wait(40)
        finally:
            daemon.kill()
            daemon.wait()
        self.assertEqual(self.db.find_top_task(_id=identifier)["status"], "finished")

    def same_place(self, identifier):
        why = self.db.why(identifier)
        self.assertFalse(why["execution"]["lease_expired"])
        self.assertIn("is running since", str(why))
        self.assertIsNotNone(why["execution"]["last_output"].tzinfo)


if __name__ == "__main__":
    unittest.main()
