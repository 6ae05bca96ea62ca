"""Tasks from outside of a task: what `create_task` takes and refuses, and what is found and waited for."""

import datetime
import os

from support import ServerTestCase, needs_server

import tensorhub


@needs_server
class TaskTests(ServerTestCase):
    def test_a_task_is_created_found_and_deleted(self):
        script = self.file("train.py", "accuracy = 1\n")
        data = self.file("data.txt", "hello")
        identifier = self.db.create_task(
            "mnist", script, dict(n_units=800, rate=0.1), ["accuracy"], files=[data], description="800"
        )
        self.assertEqual(len(identifier), 24)
        self.assertTrue(self.db.check_unfinished_task("mnist"))
        self.assertTrue(self.db.check_unfinished_task("mnist", description="800"))
        self.assertFalse(self.db.check_unfinished_task("mnist", description="600"))
        self.assertFalse(self.db.check_unfinished_task("cifar"))
        (task,) = self.db.find_tasks("mnist")
        self.assertEqual((task["_id"], task["status"], task["description"]), (identifier, "pending", "800"))
        self.assertEqual(task["hyper_parameters"], {"n_units": 800, "rate": 0.1})
        self.assertEqual(self.db.find_top_task(_id=identifier)["task_name"], "mnist")
        with self.assertRaises(TimeoutError):
            self.db.wait_tasks("mnist", timeout=0.1)
        self.assertEqual(self.db.cancel_tasks("mnist"), 1)
        self.assertEqual(self.db.wait_tasks(ids=[identifier]).get("cancelled"), 1)
        self.assertEqual(self.db.delete_tasks(), 1)
        self.assertIs(self.db.find_task("mnist"), False)

    def test_every_option_of_a_task_is_one_and_no_tag(self):
        script = self.file("train.py", "pass")
        times = {
            "not_before": datetime.datetime(2031, 5, 6, 7, 8, 9),
            "deadline": datetime.datetime(2032, 1, 1, tzinfo=datetime.timezone.utc),
        }
        seconds = {"backoff": 7, "timeout": 1.5, "stall": datetime.timedelta(minutes=2), "grace": 3}
        options = dict(times, **seconds, rules=["exit=3:fail"], max_failures=4, priority=-5, hold=True)
        self.db.create_task("mnist", script, interpreter="python3", note="a tag", **options)
        (task,) = self.db.find_tasks("mnist")
        self.assertEqual(task["note"], "a tag")
        for name in list(options) + ["interpreter"]:
            self.assertNotIn(name, task)
        hub = task["hub"]
        self.assertEqual((hub["priority"], hub["max_failures"], hub["hold"]), (-5, 4, True))
        self.assertEqual(hub["not_before"], datetime.datetime(2031, 5, 6, 7, 8, 9, tzinfo=datetime.timezone.utc))
        self.assertEqual(hub["deadline"], times["deadline"])
        for name, value in (("backoff", 7), ("timeout", 1.5), ("stall", 120), ("grace", 3)):
            self.assertEqual(hub[name], value, name)

    def test_arguments_a_command_and_where_it_runs(self):
        script = self.file("train.py", "pass")
        options = dict(args=["--lr", "{lr}"], cwd="/data", python="conda:vision", env={"A": "b c"}, parameter_args="hyphens")
        self.db.create_task("mnist", script, dict(lr=0.1), **options)
        self.db.create_task("command", command=["python3", "-m", "pkg.train", "{lr}"], hyper_parameters=dict(lr=0.1))
        (task,) = self.db.find_tasks("mnist")
        for name, value in options.items():
            self.assertEqual(task["hub"][name], value, name)
        (task,) = self.db.find_tasks("command")
        self.assertEqual(task["hub"]["command"], ["python3", "-m", "pkg.train", "{lr}"])
        wrong = [
            (dict(args=["{rl}"]), "lr"), (dict(args="--lr"), "list"), (dict(command=["a"]), "script or a command"),
            (dict(cwd="data"), "cwd"), (dict(env={"A": 1}), "text"), (dict(env={"TENSORHUB_URI": "x"}), "TENSORHUB_URI"),
            (dict(parameter_args="hydra"), "hyphens"),
        ]  # fmt: skip
        for arguments, words in wrong:
            with self.subTest(arguments), self.assertRaisesRegex(tensorhub.errors.InvalidInput, words):
                self.db.create_task("wrong", script, dict(lr=0.1), **arguments)
        self.assertEqual(self.db.find_tasks("wrong"), [])

    def test_short_conditions_choose_tasks_wherever_a_filter_does(self):
        script = self.file("train.py", "pass")
        for rate in (0.1, 0.01, 0.001):
            self.db.create_task("mnist", script, {"lr": rate}, note="Baseline of May")
        self.db.create_task("cifar", script, where="gpu room")
        rates = [task["hyper_parameters"]["lr"] for task in self.db.find_tasks(where="name:mn* lr<0.05 baseline")]
        self.assertEqual(rates, [0.01, 0.001])
        best = self.db.find_top_task(sort=[("hyper_parameters.lr", 1)], where="lr>0.005", note="Baseline of May")
        self.assertEqual(best["hyper_parameters"], {"lr": 0.01})
        self.assertIs(self.db.find_task(where="lr>1"), False)
        # A tag of that name is still found.
        (tagged,) = self.db.find_tasks(where='tag.where="gpu room"')
        self.assertEqual(tagged["where"], "gpu room")
        self.assertTrue(self.db.check_unfinished_task(where="lr=0.1"))
        self.assertFalse(self.db.check_unfinished_task(where="lr=0.2"))
        self.assertEqual(self.db.cancel_tasks(where="lr=0.1"), 1)
        self.assertEqual(self.db.wait_tasks(where="name:mnist lr=0.1"), {"cancelled": 1})
        self.assertEqual(self.db.delete_tasks("mnist", where="state:cancelled"), 1)
        self.assertEqual(len(self.db.find_tasks()), 3)
        with self.assertRaisesRegex(tensorhub.InvalidInput, "'faild' at character 7") as caught:
            self.db.delete_tasks(where="state:faild")
        self.assertEqual((caught.exception.field, caught.exception.suggestions), ("where", ["failed"]))
        for wrong in ({"lr": 1}, 5, b"lr<1"):
            with self.assertRaisesRegex(tensorhub.InvalidInput, "where: .* is no text"):
                self.db.cancel_tasks(where=wrong)
        with self.assertRaisesRegex(tensorhub.InvalidInput, "where: there is no condition"):
            self.db.delete_tasks(where="")
        with self.assertRaisesRegex(tensorhub.InvalidInput, "where"):
            self.db.run_top_task(where="lr<1")
        self.assertEqual(len(self.db.find_tasks()), 3)

    def test_a_few_words_find_what_there_is_of_any_kind(self):
        self.db.save_dataset(b"data", "mnist-digits", description="all of them")
        self.db.save_model(self.file("m.bin", "model"), "mlp", accuracy=0.5, note="on MNIST")
        self.db.create_task("mnist", self.file("train.py", "pass"), {"lr": 0.1})
        found = self.db.find("mnist")
        self.assertEqual([each["kind"] for each in found], ["task", "model", "dataset"])
        self.assertEqual(found[0]["document"]["hyper_parameters"], {"lr": 0.1})
        self.assertNotIn("script", found[0]["document"])
        self.assertEqual([each["document"]["model_name"] for each in self.db.find("accuracy<0.9")], ["mlp"])
        self.assertEqual([each["kind"] for each in self.db.find("mnist state:pending")], ["task"])
        self.assertEqual(len(self.db.find("mnist", limit=2)), 2)
        self.assertEqual(self.db.find("nothing of that name"), [])
        with self.assertRaisesRegex(tensorhub.InvalidInput, "q: 'faild' at character 7"):
            self.db.find("state:faild")
        for wrong in (None, 5):
            with self.assertRaisesRegex(tensorhub.InvalidInput, "words"):
                self.db.find(wrong)

    def test_what_is_nearly_an_option_is_refused_by_name_and_creates_nothing(self):
        script = self.file("train.py", "pass")
        misspelled = {
            "max_failure": "max_failures", "timout": "timeout", "Priority": "priority", "back_off": "backoff",
            "notbefore": "not_before", "dead_line": "deadline", "stalls": "stall", "file": "files", "hold_": "hold",
            "saved_result_key": "saved_result_keys", "hyperparameters": "hyper_parameters", "interpeter": "interpreter",
        }  # fmt: skip
        for name, option in misspelled.items():
            with self.assertRaisesRegex(tensorhub.InvalidInput, repr(option)):
                self.db.create_task("mnist", script, **{name: 1})
        wrong = (
            {"saved_result_keys": "acc"}, {"saved_result_keys": ["a", 1]}, {"rules": "exit=3:fail"}, {"backoff": "7"},
            {"stall": True}, {"deadline": "tomorrow"}, {"not_before": 5}, {"max_failures": "3"},
        )  # fmt: skip
        for options in wrong:
            with self.assertRaisesRegex(tensorhub.InvalidInput, next(iter(options))):
                self.db.create_task("mnist", script, **options)
        self.assertEqual(self.db.find_tasks(), [])
        self.db.create_task("mnist", script, description="fine", grade="A", holdout=0.2, timer=1)

    def test_a_thousand_tasks_take_no_thousand_connections(self):
        script = self.file("train.py", "pass")
        for _ in range(40):
            self.db.create_task("mnist", script)
        self.assertLessEqual(len(self.db._client._idle), 16)

    def test_an_unknown_state_and_a_name_that_no_task_has_are_errors(self):
        with self.assertRaisesRegex(tensorhub.InvalidInput, "finished"):
            self.db.find_tasks(status="done")
        with self.assertRaisesRegex(tensorhub.NotFound, "typo"):
            self.db.wait_tasks("typo")
        self.assertEqual(self.db.wait_tasks("typo", missing_ok=True), {})
        self.assertEqual(self.db.wait_tasks(ids=[]), {})

    def test_running_a_task_takes_the_first_of_its_name(self):
        script = self.file("train.py", "import data\naccuracy = n_units / 1000 + data.x\n")
        data = self.file("data.py", "x = 1")
        for n_units in (800, 600):
            self.db.create_task("mnist", script, {"n_units": n_units}, ["accuracy"], files=[data])
        self.db.create_task("other", script)
        self.keep_state_in_folder()
        self.assertTrue(self.db.run_top_task("mnist", sort=[("hyper_parameters.n_units", 1)]))
        self.assertIs(self.db.run_task("mnist", description="none of these"), False)
        self.assertIs(self.db.run_task("nothing"), False)
        finished = self.db.find_tasks(status="finished")
        self.assertEqual([task["result"] for task in finished], [{"accuracy": 1.6}])

    def test_arguments_that_cannot_be_are_errors(self):
        with self.assertRaisesRegex(TypeError, "task_name"):
            self.db.create_task(script="x")
        with self.assertRaises(FileNotFoundError):
            self.db.create_task("mnist", os.path.join(self.folder, "nowhere.py"))
        with self.assertRaisesRegex(TypeError, r"hyper_parameters\.f"):
            self.db.create_task("mnist", self.file("a.py", ""), {"f": print})
