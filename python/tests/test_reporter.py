"""What a script reports: each script is a process of its own that talks to a real `tensorhub serve`."""

import json
import os
import subprocess
import threading
import unittest

from support import ServerTestCase, eventually, needs_numpy, needs_server
from tensorhub import errors
from tensorhub.reporter import Item, Reporter


@needs_server
class ReporterTests(ServerTestCase):
    def entries(self, kind="training", **filter):
        """What MongoDB has."""
        return getattr(self.db, "find_%s_log" % kind)(**filter)

    def test_a_report_costs_the_script_less_than_100_microseconds(self):
        self.serve()
        output, _ = self.run_script(
            """
            import statistics, time, tensorhub
            costs = []
            for step in range(20000):
                start = time.perf_counter()
                tensorhub.report(loss=step / 3, step=step)
                costs.append(time.perf_counter() - start)
            print(statistics.median(costs) * 1e6)
            """
        )
        self.assertLess(float(output), 100)
        entries = self.entries()
        self.assertEqual([entry["step"] for entry in entries], list(range(20000)))
        self.assertEqual(entries[10]["loss"], 10 / 3)
        self.assertEqual(entries[0]["project_name"], self.project)

    def test_the_three_logs_are_kept_apart(self):
        self.serve()
        self.run_script(
            """
            import tensorhub
            tensorhub.report(loss=1)
            tensorhub.report(loss=2, kind="validation")
            tensorhub.report({"the loss": 3}, kind="testing")
            """
        )
        self.assertEqual([entry["loss"] for entry in self.entries()], [1])
        self.assertEqual([entry["loss"] for entry in self.entries("validation")], [2])
        self.assertEqual([entry["the loss"] for entry in self.entries("testing")], [3])

    def test_what_a_log_is_saved_by_says_true(self):
        self.serve()
        output, _ = self.run_script(
            """
            import tensorhub
            db = tensorhub.TensorHub()
            print(db.save_training_log(loss=1), db.save_validation_log(loss=2), db.save_testing_log(loss=3))
            """
        )
        self.assertEqual(output, "True True True\n")
        self.assertEqual([entry["loss"] for entry in self.entries("testing")], [3])

    def test_mistakes_are_errors_of_the_call(self):
        self.serve()
        output, _ = self.run_script(
            """
            import tensorhub
            for values, kind in (({"x": object()}, "training"), ({"time": 1}, "training"), ({"x": 1}, "train"), ({}, "testing")):
                try:
                    tensorhub.report(values, kind=kind)
                except (TypeError, ValueError) as error:
                    print(type(error).__name__, error)
            """
        )
        lines = output.splitlines()
        self.assertTrue(lines[0].startswith("TypeError x is of type object"), lines)
        self.assertTrue(lines[1].startswith("InvalidInput time is set by the hub"), lines)
        self.assertTrue(lines[2].startswith("InvalidInput kind: 'train' is none of"), lines)
        self.assertTrue(lines[3].startswith("InvalidInput an entry of a log needs"), lines)

    @needs_numpy
    def test_numbers_of_numpy_and_nan_are_values(self):
        self.serve()
        self.run_script(
            """
            import numpy, tensorhub
            tensorhub.report(a=numpy.float32(0.5), b=numpy.arange(3), c=float("nan"), d=[float("inf")])
            """
        )
        (entry,) = self.entries()
        self.assertEqual((entry["a"], entry["b"], entry["d"]), (0.5, [0, 1, 2], [float("inf")]))
        self.assertNotEqual(entry["c"], entry["c"])

    def test_nothing_is_lost_or_doubled_while_the_daemon_is_away(self):
        server = self.serve()
        process = self.script(
            """
            import sys, time, tensorhub
            def put(steps):
                longest = 0
                for step in steps:
                    start = time.perf_counter()
                    tensorhub.report(step=step)
                    longest = max(longest, time.perf_counter() - start)
                return longest
            put(range(1000))
            print(tensorhub.flush(), flush=True)
            sys.stdin.readline()
            print(put(range(1000, 3000)), tensorhub.flush(0.5), flush=True)
            sys.stdin.readline()
            put(range(3000, 4000))
            """,
            stdin=subprocess.PIPE,
        )
        self.assertEqual(process.stdout.readline(), "True\n")
        server.kill()
        process.stdin.write("\n")
        process.stdin.flush()
        longest, delivered = process.stdout.readline().split()
        self.assertLess(float(longest), 0.5)
        self.assertEqual(delivered, "False")
        server.start()
        _, errors = process.communicate("\n", timeout=30)
        self.assertEqual((process.returncode, errors), (0, ""))
        self.assertEqual(sorted(entry["step"] for entry in self.entries()), list(range(4000)))

    def test_what_a_daemon_that_stays_away_did_not_get_is_left_in_a_file(self):
        spool = os.path.join(self.folder, "spool")
        self.run_script(
            """
            import tensorhub
            from tensorhub import reporter
            reporter.PATIENCE = 0.2
            for step in range(5000):
                tensorhub.report(step=step)
            tensorhub.report(accuracy=1, kind="testing")
            tensorhub.save_results(accuracy=1)
            """,
            TENSORHUB_SPOOL_FILE=spool,
        )
        with open(spool, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        steps = [entry["step"] for line in lines if line["path"] == "/v1/logs/training" for entry in line["body"]]
        self.assertEqual(steps, list(range(5000)))
        self.assertTrue(all("$oid" in entry["_id"] for entry in lines[0]["body"]))
        self.assertEqual([line["body"][0]["accuracy"] for line in lines if line["path"] == "/v1/logs/testing"], [1])
        self.assertEqual([line["body"] for line in lines if line["path"] == "/v1/results"], [{"accuracy": 1}])

    def test_threads_and_forks_report_each_once(self):
        self.serve()
        self.run_script(
            """
            import multiprocessing, os, threading, tensorhub
            def put(first):
                for step in range(first, first + 500):
                    tensorhub.report(step=step)
            put(0)
            threads = [threading.Thread(target=put, args=(500 * i,)) for i in (1, 2)]
            for thread in threads:
                thread.start()
            process = multiprocessing.get_context("fork").Process(target=put, args=(1500,))
            process.start()
            child = os.fork()
            if child == 0:
                put(2000)
                tensorhub.flush()
                os._exit(0)
            for thread in threads:
                thread.join()
            process.join()
            os.waitpid(child, 0)
            """
        )
        self.assertEqual(sorted(entry["step"] for entry in self.entries()), list(range(2500)))

    def test_what_exit_handlers_report_arrives(self):
        self.serve()
        self.run_script(
            """
            import atexit, tensorhub
            atexit.register(lambda: tensorhub.report(step=2))
            tensorhub.report(step=1)
            """
        )
        self.assertEqual([entry["step"] for entry in self.entries()], [1, 2])
        self.run_script("import atexit, threading, tensorhub; atexit.register(lambda: tensorhub.report(step=3))")
        self.assertEqual([entry["step"] for entry in self.entries()], [1, 2, 3])

    def test_an_entry_that_the_hub_rejects_takes_no_other_with_it(self):
        self.serve()
        _, errors = self.run_script(
            """
            import tensorhub
            deep = {}
            for _ in range(110):
                deep = {"x": deep}
            for step in range(100):
                tensorhub.report({"step": step, "x": deep if step in (30, 31, 70) else 1})
            tensorhub.attempt.end()  # as who runs the script does; the exit handler does so too
            """
        )
        self.assertEqual(sorted(entry["step"] for entry in self.entries()), sorted(set(range(100)) - {30, 31, 70}))
        self.assertIn("a report was rejected", errors)
        self.assertEqual(errors.count("3 reports were rejected in all"), 1)

    def test_outside_of_a_task_a_script_runs_as_well(self):
        output, errors = self.run_script(
            """
            import tensorhub
            tensorhub.report(loss=1)
            tensorhub.report(loss=2)
            tensorhub.progress(0.5, "half")
            tensorhub.save_results(accuracy=1)
            tensorhub.checkpoint()
            print(bool(tensorhub.should_stop()), tensorhub.hyper_parameters, tensorhub.task, tensorhub.checkpoint_dir)
            """,
            TENSORHUB_SOCKET="",
        )
        self.assertEqual(output, "False {} {} None\n")
        self.assertEqual(errors, "tensorhub: this is no task, so what it reports goes nowhere\n")

    def test_too_much_makes_the_script_wait(self):
        server = self.serve()
        server.kill()
        process = self.script(
            """
            import tensorhub
            from tensorhub import reporter
            reporter.LIMIT = 100000
            for step in range(3000):
                tensorhub.report(step=step, text="x" * 100)
            print("done")
            """
        )
        self.assertIn("the script waits", process.stderr.readline())
        self.assertTrue(eventually(lambda: process.poll() is None))
        server.start()
        output, _ = process.communicate(timeout=30)
        self.assertEqual(output, "done\n")
        self.assertEqual(sorted(entry["step"] for entry in self.entries()), list(range(3000)))


class FlushTests(unittest.TestCase):
    def test_it_waits_for_what_another_log_overtakes(self):
        gate, is_away = threading.Event(), threading.Event()
        is_away.set()
        posted = []

        class Answers:
            """The runner as far as a reporter knows it."""

            def call(self, method, path, query, text, timeout=None):
                gate.wait()
                if path.endswith("validation") and is_away.is_set():
                    raise errors.make(errors.Unreachable, "it is away", "unreachable")
                posted.append(path)

        reporter = Reporter(Answers(), None)
        reporter.put(Item("/v1/progress", "{}"))
        reporter.log("training", {"loss": 1})
        reporter.log("validation", {"loss": 2})
        flushed = []
        flush = threading.Thread(target=lambda: flushed.append(reporter.flush(0.5)))
        with reporter._turn:  # so that it is known to wait, and for what
            flush.start()
            self.assertTrue(eventually(reporter._hurry.is_set))
        reporter.log("training", {"loss": 3})
        gate.set()
        flush.join()
        self.assertEqual(flushed, [False])
        is_away.clear()
        self.assertTrue(reporter.flush(20))
        self.assertEqual(posted[-1], "/v1/logs/validation")
