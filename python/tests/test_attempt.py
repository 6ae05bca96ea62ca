"""Scripts in real attempts: each test creates tasks and runs them with `tensorhubd --once`."""

import subprocess

from support import ServerTestCase, eventually, needs_numpy, needs_server, numpy, start_program


@needs_server
class AttemptTests(ServerTestCase):
    def setUp(self):
        super().setUp()
        self.keep_state_in_folder()

    def run_task(self, text, keys=(), **parameters):
        """Runs a script as a task to its end and gives the task back."""
        identifier = self.db.create_task("t", self.file("script.py", text), parameters, list(keys), max_failures=1)
        self.db.run_top_task("t")
        task = self.db.find_top_task(_id=identifier)
        self.assertEqual(task["status"], "finished", task.get("hub", {}).get("error"))
        return task

    def test_reports_results_and_progress_arrive(self):
        task = self.run_task(
            """
            import tensorhub
            for step in range(1000):
                tensorhub.report(loss=n / (step + 1), step=step)
            tensorhub.report(accuracy=0.9, kind="testing")
            tensorhub.progress(0.5, "half")
            tensorhub.save_results(accuracy=0.5)
            tensorhub.result["accuracy"] = 0.9
            tensorhub.result["other"] = {"a": [1]}
            """,
            ["accuracy"],
            n=2,
        )
        self.assertEqual(task["result"], {"accuracy": 0.9, "other": {"a": [1]}})
        entries = self.db.find_training_log(sort=[("step", 1)])
        self.assertEqual([entry["step"] for entry in entries], list(range(1000)))
        self.assertEqual(entries[0]["hub"]["task"], task["_id"])
        self.assertEqual(len(self.db.find_testing_log(accuracy=0.9)), 1)

    @needs_numpy
    def test_a_script_of_tensorlayer_uses_data_sets_models_and_logs_by_name(self):
        x, y = numpy.arange(12.0).reshape(6, 2), numpy.arange(6)
        self.db.save_dataset((x, y), "mnist")
        task = self.run_task(
            """
            import numpy
            import tensorhub as tl
            db = tl.db.TensorHub(ip='localhost', port=27017, dbname='temp', project_name='tutorial')
            X_train, y_train = db.find_top_dataset('mnist')
            test_accuracy = float(X_train.sum() + y_train.sum()) / 1000
            db.save_training_log(loss=0.5)
            db.save_model({"w": numpy.full(n_units, 2.0)}, model_name='mlp', name=str(n_units), test_accuracy=test_accuracy)
            seen = len(db.find_training_log())
            again = db.find_top_model(model_name='mlp', sort=[("test_accuracy", -1)]).params["w"].tolist()
            """,
            ["test_accuracy", "seen", "again"],
            n_units=3,
        )
        self.assertEqual(task["result"], {"test_accuracy": 0.081, "seen": 1, "again": [2, 2, 2]})
        model = self.db.find_top_model(model_name="mlp", sort=[("test_accuracy", -1)])
        self.assertEqual((model._name, model._test_accuracy), ("3", 0.081))
        self.assertEqual(model.document["hub"]["task"], task["_id"])

    def test_a_task_creates_and_deletes_nothing(self):
        task = self.run_task(
            """
            import tensorhub
            db = tensorhub.TensorHub()
            errors = []
            for call in (lambda: db.create_task("x", __file__), db.delete_tasks, db.delete_datasets, db.delete_model,
                         db.delete_training_log, lambda: db.run_top_task("t"), db.cancel_tasks, db.retry_tasks,
                         db.hold_tasks, db.release_tasks):
                try:
                    call()
                except PermissionError as error:
                    errors.append(type(error).__name__)
            """,
            ["errors"],
        )
        self.assertEqual(task["result"]["errors"], ["Refused"] * 10)

    def test_a_task_reads_why_others_wait_and_what_it_has_printed(self):
        waiting = self.db.create_task("other", self.file("other.py", "pass"), hold=True)
        task = self.run_task(
            """
            import os, tensorhub
            db = tensorhub.TensorHub()
            why = [obstacle["kind"] for obstacle in db.why(waiting)["obstacles"]]
            output = db.logs(waiting)
            print("said", flush=True)
            for line in db.logs(os.environ["TENSORHUB_TASK_ID"], follow=True):
                break
            """,
            ["why", "output", "line"],
            waiting=waiting,
        )
        self.assertEqual(task["result"]["why"][0], "held")
        self.assertEqual((task["result"]["output"], task["result"]["line"]), ("", "said"))

    def test_a_checkpoint_is_there_in_the_next_attempt(self):
        path = self.file(
            "script.py",
            """
            import os, sys, tensorhub
            state = os.path.join(tensorhub.checkpoint_dir, "state")
            if not os.path.exists(state):
                with open(state, "w") as file:
                    file.write("first")
                tensorhub.checkpoint()
                sys.exit(1)
            seen = open(state).read()
            """,
        )
        identifier = self.db.create_task("t", path, {}, ["seen"], max_failures=2)
        self.assertFalse(self.db.run_top_task("t"))
        # After a failure it would wait ten seconds.
        start_program(self.project, "tensorhub", "release", identifier, stderr=subprocess.DEVNULL).wait()
        self.assertTrue(eventually(lambda: self.db.run_top_task("t"), 40))
        self.assertEqual(self.db.find_top_task(_id=identifier)["result"], {"seen": "first"})


@needs_server
class StopTests(ServerTestCase):
    """The order to stop, against a real runner."""

    def test_a_task_that_is_cancelled_is_told_why(self):
        db = self.db
        path = self.file(
            "script.py",
            """
            import time, tensorhub
            tensorhub.should_stop()
            tensorhub.report(begun=1)
            while not tensorhub.should_stop():
                time.sleep(0.01)
            deadline = time.monotonic() + 5
            while tensorhub.should_stop().reason is None and time.monotonic() < deadline:
                time.sleep(0.01)
            tensorhub.report(reason=tensorhub.should_stop().reason)
            """,
        )
        identifier = db.create_task("t", path, max_failures=1)
        self.keep_state_in_folder()
        daemon = start_program(self.project, "tensorhubd", "--once")
        try:
            eventually(lambda: db.find_training_log(begun=1), 30)
            self.assertEqual(db.cancel_tasks(ids=[identifier]), 1)
            daemon.wait(40)
        finally:
            daemon.kill()
            daemon.wait()
        self.assertEqual(db.find_top_task(_id=identifier)["status"], "cancelled")
        (entry,) = db.find_training_log(reason={"$exists": True})
        self.assertEqual(entry["reason"], "cancelled")
