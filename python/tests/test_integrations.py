"""What other libraries report by themselves, with stand-ins for these and with the real ones where they are installed."""

import collections
import importlib.util
import logging
import re
import sys
import threading
import types
import unittest
from unittest import mock

from support import PACKAGE, ServerTestCase, needs_numpy, needs_server, numpy

import tensorhub
from tensorhub import attempt, integrations


def installed(name):
    return unittest.skipUnless(importlib.util.find_spec(name) is not None, "this Python has no %s" % name)


class ReportTestCase(unittest.TestCase):
    """Has reports collected instead of delivered, as in a task."""

    def setUp(self):
        self.reports = []
        self.waiting = 0
        fakes = {
            "is_attempt": lambda: True,
            "report": lambda entry, *, kind: self.reports.append((kind, entry)),
            "waiting": lambda: self.waiting,
        }
        patch = mock.patch.multiple(attempt, **fakes)
        patch.start()
        self.addCleanup(patch.stop)

    @property
    def entries(self):
        return [entry for _, entry in self.reports]


class LogHandlerTests(ReportTestCase):
    def setUp(self):
        super().setUp()
        self.logger = logging.Logger("train.loop")
        self.handler = integrations.LogHandler()
        self.logger.addHandler(self.handler)

    def test_a_record_is_an_entry(self):
        self.logger.warning("step %d of %s", 3, "é")
        entry = {"level": "WARNING", "logger": "train.loop", "message": "step 3 of é"}
        self.assertEqual(self.reports, [("training", entry)])
        self.handler.setLevel("ERROR")
        self.logger.warning("not this one")
        self.assertEqual(len(self.reports), 1)

    def test_another_log_may_take_them_and_no_other_word(self):
        self.logger.addHandler(integrations.LogHandler(logging.INFO, "testing"))
        self.logger.info("a")
        self.assertEqual([kind for kind, _ in self.reports], ["training", "testing"])
        with self.assertRaisesRegex(tensorhub.InvalidInput, "kind: 'daily' is none of"):
            integrations.LogHandler(kind="daily")

    def test_a_traceback_comes_along(self):
        try:
            raise KeyError("x")
        except KeyError:
            self.logger.exception("it failed")
        self.logger.error("none", exc_info=True)
        self.assertRegex(self.entries[0]["exception"], "(?s)^Traceback.*KeyError: 'x'$")
        self.assertNotIn("exception", self.entries[1])

    def test_long_and_broken_texts_are_cut_and_mended(self):
        self.logger.info("a" * 100_000 + "z")
        self.logger.info("\ud800")
        self.assertLess(len(self.entries[0]["message"]), 9000)
        self.assertTrue(self.entries[0]["message"].endswith("z"))
        self.assertEqual(self.entries[1]["message"], "?")

    def test_nothing_is_kept_while_too_much_waits_and_the_number_is_told(self):
        self.logger.info("a")
        self.waiting = integrations.BACKLOG + 1
        for _ in range(3):
            self.logger.info("b")
        self.waiting = 0
        self.logger.info("c")
        self.logger.info("d")
        found = [(entry["message"], entry.get("left_out")) for entry in self.entries]
        self.assertEqual(found, [("a", None), ("c", 3), ("d", None)])

    def test_a_record_that_logs_again_is_one_entry(self):
        test = self

        class Odd:
            def __str__(self):
                test.logger.info("from within")
                return "odd"

        self.logger.info("%s", Odd())
        self.assertEqual([entry["message"] for entry in self.entries], ["odd"])
        thread = threading.Thread(target=self.logger.info, args=("own",), name="tensorhub-reports")
        thread.start()
        thread.join()
        self.assertEqual(len(self.entries), 1)
        self.logger.info("again")
        self.assertEqual(len(self.entries), 2)

    def test_a_script_does_not_fail_for_what_it_logs(self):
        class Broken:
            def __str__(self):
                raise RuntimeError

        with mock.patch.object(logging, "raiseExceptions", False):
            self.logger.info("%d", "x")
            self.logger.info("%s", Broken())
            with mock.patch.object(attempt, "report", side_effect=OSError):
                self.logger.info("a")
        self.logger.info("b")
        self.assertEqual([entry["message"] for entry in self.entries], ["b"])

    def test_outside_of_a_task_nothing_is_said(self):
        with mock.patch.object(attempt, "is_attempt", lambda: False):
            self.logger.info("a")
        self.assertEqual(self.reports, [])


class TrainingCallback:
    """As XGBoost has it."""

    def after_iteration(self, model, epoch, evals_log):
        raise NotImplementedError


class CallbackTests(ReportTestCase):
    def xgboost(self, **options):
        """The callback over a stand-in."""
        module = types.ModuleType("xgboost.callback")
        module.TrainingCallback = TrainingCallback
        with mock.patch.dict(sys.modules, {"xgboost": types.ModuleType("xgboost"), "xgboost.callback": module}):
            return integrations.xgboost_callback(**options)

    def test_xgboost_reports_each_iteration(self):
        callback = self.xgboost()
        self.assertIsInstance(callback, TrainingCallback)
        log = {"train": {"rmse": [0.5]}, "test": {"rmse": [0.75], "map@2.5": [0.25]}}
        self.assertIs(callback.after_iteration(None, 0, log), False)
        log["train"]["rmse"].append(0.375)
        callback.after_iteration(None, 1, log)
        self.assertEqual(self.entries[0], {"train_rmse": 0.5, "test_rmse": 0.75, "test_map@2_5": 0.25, "step": 0})
        self.assertEqual((self.entries[1]["train_rmse"], self.entries[1]["step"]), (0.375, 1))

    def test_xgboosts_cross_validation_gives_means_and_no_metric_no_entry(self):
        callback = self.xgboost(kind="validation")
        callback.after_iteration(None, 0, {"train": {"rmse": [(0.5, 0.1)]}})
        callback.after_iteration(None, 1, {})
        self.assertEqual(self.reports, [("validation", {"train_rmse": 0.5, "step": 0})])

    def test_lightgbm_reports_each_iteration(self):
        names = "model params iteration begin_iteration end_iteration evaluation_result_list"
        Env = collections.namedtuple("CallbackEnv", names)
        callback = integrations.lightgbm_callback(period=2)
        results = [("valid_0", "l2", 0.5, False), ("training", "auc", 0.75, True)]
        for iteration in range(4):
            callback(Env(None, {}, iteration, 0, 4, results))
        self.assertEqual(self.entries[0], {"valid_0_l2": 0.5, "training_auc": 0.75, "step": 0})
        self.assertEqual([entry["step"] for entry in self.entries], [0, 2])
        callback(Env(None, {}, 4, 0, 4, [("cv_agg", "valid l2", 0.25, False, 0.1)]))
        callback(Env(None, {}, 6, 0, 4, [("valid", "l2", 0.25, False, 0.1)]))
        callback(Env(None, {}, 8, 0, 4, None))
        self.assertEqual(self.entries[2:], [{"valid_l2": 0.25, "step": 4}, {"valid_l2": 0.25, "step": 6}])
        self.assertLess(callback.order, 30)

    def test_a_period_that_is_none_is_refused(self):
        for period in (0, -1, 1.5, True):
            for make in (integrations.xgboost_callback, integrations.lightgbm_callback):
                with self.assertRaisesRegex(tensorhub.InvalidInput, "period: .* is no number of iterations"):
                    make(period)

    def test_importing_it_imports_none_of_the_libraries(self):
        self.assertIs(tensorhub.integrations, integrations)
        with mock.patch.dict(sys.modules, {"xgboost": None, "xgboost.callback": None}):
            with self.assertRaises(ImportError):
                integrations.xgboost_callback()

    def data(self):
        x = numpy.random.RandomState(1).rand(200, 3)
        return x, x[:, 0] + 0.1 * x[:, 1]

    @needs_numpy
    @installed("xgboost")
    def test_the_real_xgboost(self):
        import xgboost

        data, results = xgboost.DMatrix(*self.data()[:1], label=self.data()[1]), {}
        options = {"max_depth": 2, "nthread": 1}
        how = {"callbacks": [integrations.xgboost_callback()], "verbose_eval": False}
        xgboost.train(options, data, 5, evals=[(data, "train")], evals_result=results, **how)
        self.assertEqual([entry["train_rmse"] for entry in self.entries], results["train"]["rmse"])
        self.assertEqual([entry["step"] for entry in self.entries], list(range(5)))
        del self.reports[:]
        means = xgboost.cv(options, data, 3, nfold=2, callbacks=[integrations.xgboost_callback()], as_pandas=False)
        for entry, mean in zip(self.entries, means["test-rmse-mean"]):
            self.assertAlmostEqual(entry["test_rmse"], mean)

    @needs_numpy
    @installed("lightgbm")
    def test_the_real_lightgbm(self):
        import lightgbm

        data, results = lightgbm.Dataset(*self.data()), {}
        options = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 5}
        callbacks = [integrations.lightgbm_callback(), lightgbm.record_evaluation(results)]
        lightgbm.train(options, data, 5, valid_sets=[data], valid_names=["train"], callbacks=callbacks)
        self.assertEqual([entry["train_l2"] for entry in self.entries], results["train"]["l2"])
        self.assertEqual([entry["step"] for entry in self.entries], list(range(5)))
        del self.reports[:]
        callbacks = [integrations.lightgbm_callback()]
        means = lightgbm.cv(options, lightgbm.Dataset(*self.data()), 3, nfold=2, stratified=False, callbacks=callbacks)
        self.assertEqual([entry["valid_l2"] for entry in self.entries], means["valid l2-mean"])


class RecipeTests(ReportTestCase):
    """The few lines of docs/python.md, with stand-ins for the libraries."""

    def recipe(self, word, **names):
        """Executes the block that has the word; what it defines."""
        text = (PACKAGE.parent.parent / "docs" / "python.md").read_text(encoding="utf-8")
        blocks = re.findall("```python\n(.*?)```", text, re.S)
        (block,) = [block for block in blocks if word in block]
        namespace = dict(names, tensorhub=types.SimpleNamespace(report=lambda entry: self.reports.append(("", entry))))
        exec(block, namespace)
        return namespace

    def trainer(self, *unused, callbacks, **options):
        return callbacks

    def test_lightning(self):
        library = types.SimpleNamespace(pytorch=types.SimpleNamespace(Callback=object, Trainer=self.trainer))
        (report,) = self.recipe("lightning.pytorch.Callback", lightning=library)["trainer"]
        for is_first in (True, False):
            state = types.SimpleNamespace(is_global_zero=is_first, global_step=7, callback_metrics={"loss": "0.5"})
            report.on_train_epoch_end(state, None)
        self.assertEqual(self.entries, [{"loss": 0.5, "step": 7}])

    def test_keras(self):
        library = types.SimpleNamespace(callbacks=types.SimpleNamespace(Callback=object))
        fitted = []
        model = types.SimpleNamespace(fit=lambda x, y, epochs, callbacks: fitted.extend(callbacks))
        self.recipe("keras.callbacks.Callback", keras=library, model=model, x=None, y=None)
        fitted[0].on_epoch_end(0, {"loss": 0.5, "val_loss": 1.0})
        fitted[0].on_epoch_end(1)
        self.assertEqual(self.entries, [{"loss": 0.5, "val_loss": 1.0, "step": 0}, {"step": 1}])

    def test_hugging_face(self):
        library = types.SimpleNamespace(TrainerCallback=object, Trainer=self.trainer)
        names = {"transformers": library, "model": None, "arguments": None, "data": None}
        (report,) = self.recipe("transformers.TrainerCallback", **names)["trainer"]
        for is_first in (True, False):
            state = types.SimpleNamespace(is_world_process_zero=is_first, global_step=9)
            report.on_log(None, state, None, logs={"loss": 0.5, "epoch": 1.0}, model=None)
        self.assertEqual(self.entries, [{"loss": 0.5, "epoch": 1.0, "step": 9}])


@needs_server
class TaskTests(ServerTestCase):
    """A script that thinks it runs as a task."""

    def test_records_and_metrics_arrive_in_the_logs_of_the_task(self):
        self.serve()
        output, errors = self.run_script(
            """
            import logging, types, tensorhub.integrations
            logging.basicConfig(level="INFO", handlers=[tensorhub.integrations.LogHandler(kind="testing")])
            logging.getLogger("a.b").info("begun with %s", [1])
            try:
                1 / 0
            except ZeroDivisionError:
                logging.exception("it failed")
            callback = tensorhub.integrations.lightgbm_callback()
            for step in range(3):
                results = [("valid", "l2", 1 / (step + 1), False)]
                callback(types.SimpleNamespace(iteration=step, evaluation_result_list=results))
            """
        )
        self.assertEqual((output, errors), ("", ""))
        first, second = self.db.find_testing_log()
        self.assertEqual((first["level"], first["logger"], first["message"]), ("INFO", "a.b", "begun with [1]"))
        self.assertIn("ZeroDivisionError", second["exception"])
        self.assertEqual([entry["valid_l2"] for entry in self.db.find_training_log()], [1, 0.5, 1 / 3])

    def test_without_a_runner_logging_neither_waits_nor_grows(self):
        output, errors = self.run_script(
            """
            import logging, os, time, tensorhub, tensorhub.integrations
            from tensorhub import attempt, reporter
            reporter.PATIENCE = 0
            handler = tensorhub.integrations.LogHandler()
            logging.getLogger().addHandler(handler)
            start = time.monotonic()
            for _ in range(3000):
                logging.getLogger().error("x" * 5000)
            print(time.monotonic() - start < 30, attempt.waiting() < 9 << 20, handler._left_out > 0)
            """
        )
        self.assertEqual(output.strip(), "True True True", errors)


if __name__ == "__main__":
    unittest.main()
