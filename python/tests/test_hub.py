"""`TensorHub` outside of a task, against a real `tensorhub serve` and MongoDB."""

import datetime
import json
import os
import pathlib
import signal
import subprocess
import threading

from support import ServerTestCase, eventually, needs_numpy, needs_safetensors, needs_server, numpy, safetensors_file

import tensorhub
from tensorhub import server


@needs_server
class DataSetTests(ServerTestCase):
    @needs_numpy
    def test_arrays_come_back_by_name(self):
        x, y = numpy.arange(12.0).reshape(6, 2), numpy.arange(6)
        saved = self.db.save_dataset((x, y), "mnist", description="digits")
        self.assertEqual(saved["description"], "digits")
        for find in (self.db.find_top_dataset, self.db.find_dataset):
            got = find("mnist")
            self.assertIs(type(got), tuple)
            numpy.testing.assert_array_equal(got[0], x)
            numpy.testing.assert_array_equal(got[1], y)

    def test_the_newest_version_comes_unless_another_is_asked_for(self):
        for number in (1, 2, 3):
            self.db.save_dataset(b"%d" % number, "d", number=number)
        self.assertEqual(self.db.find_top_dataset("d"), b"3")
        self.assertEqual(self.db.find_top_dataset("d", version=1), b"1")
        self.assertEqual(self.db.find_top_dataset("d", sort=[("time", 1)]), b"1")
        self.assertEqual(self.db.find_top_dataset("d", sort=[("number", -1)]), b"3")
        self.assertEqual(self.db.find_top_dataset("d", number=2), b"2")
        self.assertEqual(self.db.find_top_dataset("d", number={"$lt": 3}, sort=[("number", -1)]), b"2")
        for find in (self.db.find_datasets, self.db.find_all_datasets):
            self.assertEqual(sorted(find("d")), [b"1", b"2", b"3"])
        self.assertEqual(self.db.find_datasets("d", number=2), [b"2"])
        self.assertEqual(len(self.db.list_datasets()), 3)

    def test_what_is_missing_is_false(self):
        self.db.save_dataset(b"", "mnist")
        self.assertIs(self.db.find_top_dataset("mnits"), False)
        self.assertIs(self.db.find_top_dataset("mnist", version=7), False)
        self.assertEqual(self.db.find_datasets("other"), [])

    @needs_numpy
    def test_shards_are_read_one_by_one(self):
        self.db.save_dataset({"x": numpy.arange(10)}, "d", shards=5)
        self.assertEqual(self.db.find_top_dataset("d", shard=(0, 5))["x"].tolist(), [0, 1])
        self.assertEqual(self.db.find_top_dataset("d", shard="1/2")["x"].tolist(), [2, 3, 6, 7])
        self.assertEqual(self.db.find_top_dataset("d")["x"].tolist(), list(range(10)))

    def test_a_folder_comes_back_as_one(self):
        for name in ("a/b/c", "a/d"):
            self.file(name, name)
        self.db.save_dataset(os.path.join(self.folder, "a"), "folder")
        path = pathlib.Path(self.db.find_top_dataset("folder"))
        self.assertEqual(((path / "b" / "c").read_text(), (path / "d").read_text()), ("a/b/c", "a/d"))

    def test_deleting_by_filter_leaves_the_others(self):
        for number in (1, 2, 3):
            self.db.save_dataset(b"%d" % number, "d", number=number)
        self.assertEqual(self.db.delete_datasets(number=2), 1)
        self.assertEqual(sorted(self.db.find_datasets("d")), [b"1", b"3"])
        self.assertEqual(self.db.delete_datasets(dataset_name="d"), 2)
        self.assertIs(self.db.find_top_dataset("d"), False)

    def test_names_and_tags_that_cannot_be_are_errors(self):
        for name in ("a/b", "a\0b"):
            with self.assertRaisesRegex(tensorhub.InvalidInput, "dataset_name: .* holds a character") as raised:
                self.db.save_dataset(b"", name)
            self.assertEqual(raised.exception.field, "dataset_name")
        with self.assertRaisesRegex(tensorhub.InvalidInput, "dataset_name is None"):
            self.db.save_dataset(b"")
        with self.assertRaisesRegex(tensorhub.InvalidInput, "dataset_name: '' is no name"):
            self.db.save_dataset(b"", "")
        for shard in (5, (1, 2, 3), ("a", "b")):
            with self.assertRaisesRegex(tensorhub.InvalidInput, "shard: .* is no"):
                self.db.find_top_dataset("d", shard=shard)
        with self.assertRaises(tensorhub.InvalidInput) as raised:
            self.db.save_dataset(b"", "d", hub=1)
        self.assertIn("hub", str(raised.exception))
        self.assertEqual(self.db.list_datasets(), [])

    def test_without_a_name_any_is_found(self):
        self.db.save_dataset(b"1", "a", split="train")
        self.db.save_dataset(b"2", "b", split="test")
        self.assertEqual(self.db.find_top_dataset(), b"2")
        self.assertEqual(self.db.find_top_dataset(split="train"), b"1")
        self.assertEqual(sorted(self.db.find_datasets()), [b"1", b"2"])
        self.assertEqual(self.db.find_datasets(sort=[("time", 1)], split="test"), [b"2"])

    @needs_numpy
    def test_files_that_the_command_stored_are_each_by_its_name(self):
        paths = [os.path.join(self.folder, name) for name in ("tr.npy", "te.npz")]
        numpy.save(paths[0], numpy.arange(3))
        numpy.savez(paths[1], x=numpy.arange(2))
        self.run_program("dataset", "put", *paths, "--name", "d")
        value = self.db.find_top_dataset("d")
        self.assertEqual((value["tr"].tolist(), value["te"]["x"].tolist()), ([0, 1, 2], [0, 1]))
        self.assertEqual(list(self.db.find_top_dataset("d", shard=(1, 2))), ["te"])

    def test_projects_do_not_see_each_other(self):
        self.db.save_dataset(b"", "d")
        other = tensorhub.TensorHub(uri=os.environ["TENSORHUB_URI"], project_name=self.project + "-other")
        self.assertIs(other.find_top_dataset("d"), False)
        self.assertEqual(other.delete_datasets(), 0)


@needs_server
@needs_numpy
class ModelTests(ServerTestCase):
    def setUp(self):
        super().setUp()
        for accuracy in (0.8, 0.9, 0.7):
            weights = {"w": numpy.full(2, accuracy)}
            self.db.save_model(weights, "mlp", architecture={"n": 1}, test_accuracy=accuracy, name=str(accuracy))

    def test_the_best_the_newest_and_the_oldest_are_found(self):
        best = self.db.find_top_model(model_name="mlp", sort=[("test_accuracy", -1)])
        self.assertEqual((best._test_accuracy, best._name, best.architecture), (0.9, "0.9", {"n": 1}))
        self.assertEqual(best.params["w"].tolist(), [0.9, 0.9])
        self.assertEqual(self.db.find_model([("test_accuracy", -1)], "mlp").test_accuracy, 0.9)
        self.assertEqual(self.db.find_top_model(sess=None, model_name="mlp", sort=[("time", -1)]).test_accuracy, 0.7)
        self.assertEqual(self.db.find_top_model(model_name="mlp", sort=[("time", 1)]).test_accuracy, 0.8)
        self.assertEqual(self.db.find_top_model(model_name="mlp", test_accuracy=0.8).test_accuracy, 0.8)
        self.assertEqual(self.db.find_top_model(model_name=None).test_accuracy, 0.7)
        self.assertIs(self.db.find_top_model(model_name="other"), False)

    def test_without_a_name_any_is_found(self):
        self.db.save_model({"w": numpy.zeros(1)}, "cnn", test_accuracy=0.95)
        self.assertEqual(self.db.find_top_model(sort=[("test_accuracy", -1)]).test_accuracy, 0.95)
        self.assertEqual(self.db.find_model([("test_accuracy", 1)]).test_accuracy, 0.7)
        self.assertEqual(self.db.find_top_model().document["model_name"], "cnn")

    def test_a_stage_is_held_by_one_version(self):
        self.db.set_stage("mlp", "production", version=1)
        self.db.set_stage("mlp", "production", version=2)
        self.assertEqual(self.db.find_top_model(model_name="mlp", stage="production").version, 2)
        with self.assertRaisesRegex(tensorhub.HubError, "production") as raised:
            self.db.delete_model()
        self.assertEqual((raised.exception.code, raised.exception.status), ("wrong-state", 409))
        self.assertEqual(self.db.delete_model(force=True), 3)

    def test_models_are_listed_and_deleted(self):
        listed = self.db.list_models("mlp", sort=[("test_accuracy", -1)])
        self.assertEqual([document["test_accuracy"] for document in listed], [0.9, 0.8, 0.7])
        self.assertEqual(self.db.delete_model(test_accuracy=0.9), 1)
        self.assertEqual(self.db.delete_models(), 2)
        self.assertIs(self.db.find_top_model(model_name="mlp"), False)

    def test_an_architecture_alone_is_a_model(self):
        self.db.save_model(None, "plan", architecture={"layers": [{"n_units": 800}]})
        found = self.db.find_top_model(model_name="plan")
        self.assertEqual(found.architecture, {"layers": [{"n_units": 800}]})
        self.assertIsNone(found.params)

    def shown(self, name):
        """What `tensorhub model show` says of the tensors."""
        tensors = json.loads(self.run_program("model", "show", name, "--json"))["tensors"]
        return sorted((tensor["name"], tensor["dtype"], tensor["shape"]) for tensor in tensors)

    @needs_safetensors
    def test_safetensors_are_listed_and_loaded(self):
        weights = {
            "layer.weight": numpy.arange(6, dtype=numpy.float32).reshape(2, 3),
            "layer.bias": numpy.ones(3, numpy.float16),
            "steps": numpy.int64(7),
            "unused": numpy.zeros((0, 4), numpy.int8),
        }
        self.db.save_model(weights, "st", format="safetensors")
        listed = [("layer.bias", "float16", [3]), ("layer.weight", "float32", [2, 3])]
        self.assertEqual(self.shown("st"), listed + [("steps", "int64", []), ("unused", "int8", [0, 4])])
        params = self.db.find_top_model(model_name="st").params
        self.assertEqual(sorted(params), sorted(weights))
        for name, value in weights.items():
            self.assert_same(params[name], numpy.asarray(value), name)

    def test_safetensors_that_numpy_cannot_hold_are_listed_and_come_back_as_a_file(self):
        data = safetensors_file({"w": ("BF16", [2], b"\x80\x3f\x00\x40"), "none": ("F32", [0, 3], b"")})
        self.db.save_model(self.file("m.safetensors", data), "st")
        self.assertEqual(self.shown("st"), [("none", "float32", [0, 3]), ("w", "bfloat16", [2])])
        self.assertEqual(pathlib.Path(self.db.find_top_model(model_name="st").path).read_bytes(), data)


@needs_server
class GuardTests(ServerTestCase):
    def test_a_data_set_in_the_lineage_of_a_model_is_deleted_by_force(self):
        db = self.db
        routes = db._client.call("GET", "/v1/openapi.json")["paths"]
        if "force" not in [parameter.get("name") for parameter in routes["/v1/datasets"]["delete"]["parameters"]]:
            self.skipTest("this server deletes data sets without looking at models")
        data = db.save_dataset(b"1", "d")
        model = db.save_model(None, "m", architecture={"n": 1})
        self.read_by(model, data)
        with self.assertRaisesRegex(tensorhub.HubError, "in the lineage of model 'm'") as raised:
            db.delete_datasets()
        self.assertEqual((raised.exception.code, raised.exception.status), ("wrong-state", 409))
        self.assertEqual(db.find_top_dataset("d"), b"1")
        self.assertEqual(db.delete_datasets(force=True), 1)

    def read_by(self, model, data):
        try:
            import bson
            import pymongo
        except ImportError:
            self.skipTest("this Python has no pymongo")
        with pymongo.MongoClient(os.environ["TENSORHUB_URI"]) as client:
            source = {"id": bson.ObjectId(data["_id"]), "name": "d", "version": 1, "sha256": data["hub"]["sha256"]}
            client.get_default_database("tensorhub").Model.update_one(
                {"_id": bson.ObjectId(model["_id"])}, {"$set": {"hub.data_sets": [source]}}
            )


@needs_server
class LogTests(ServerTestCase):
    def test_entries_are_saved_found_sorted_and_deleted(self):
        for kind in ("training", "validation", "testing"):
            save, find, delete = (getattr(self.db, "%s_%s_log" % (verb, kind)) for verb in ("save", "find", "delete"))
            for step in range(3):
                self.assertIs(save(step=step, loss=1 / (step + 1)), True)
            self.assertEqual([entry["step"] for entry in find()], [0, 1, 2])
            self.assertEqual([entry["step"] for entry in find(sort=[("step", -1)], limit=2)], [2, 1])
            self.assertEqual([entry["step"] for entry in find(loss={"$lt": 0.6})], [1, 2])
            self.assertLess(abs(datetime.datetime.now(datetime.timezone.utc) - find()[0]["time"]), datetime.timedelta(hours=1))
            self.assertEqual(delete(step=1), 1)
            self.assertEqual(delete(), 2)
            self.assertEqual(find(), [])
        for name in ("_id", "time"):
            with self.assertRaises(tensorhub.InvalidInput):
                self.db.save_training_log(**{name: 1})


@needs_server
class ServerTests(ServerTestCase):
    """The private server, and which database it is."""

    def test_it_ends_with_the_process_even_if_that_is_killed(self):
        text = """
            import os, sys, time, tensorhub
            from tensorhub import server
            db = tensorhub.TensorHub(uri=os.environ["TENSORHUB_URI"], project_name="x")
            private, = server._servers.values()
            print(private._process.pid, private.folder, flush=True)
            sys.stdin.read()
        """
        for number in (signal.SIGKILL, signal.SIGTERM, None):
            uri = os.environ["TENSORHUB_URI"]
            with self.script(text, subprocess.PIPE, TENSORHUB_SOCKET="", TENSORHUB_URI=uri) as process:
                pid, folder = process.stdout.readline().split()
                self.assertNotIn("mongodb://", pathlib.Path("/proc/%s/cmdline" % pid).read_text())
                self.assertEqual(os.stat(folder).st_mode & 0o777, 0o700)
                if number is None:
                    process.stdin.close()
                else:
                    process.send_signal(number)
                process.wait()
            self.assertTrue(eventually(lambda: not os.path.exists("/proc/%s/exe" % pid) or _is_zombie(pid)))

    def test_hubs_of_one_database_and_project_share_it(self):
        before = len(server._servers)
        first, second = self.hub(), self.hub()
        self.assertEqual(len(server._servers), before + 1)
        first.close()
        self.assertEqual(second.find_tasks(), [])
        self.assertEqual(first.find_tasks(), [])

    def test_it_outlives_the_thread_that_began_it(self):
        hubs = []
        thread = threading.Thread(target=lambda: hubs.append(self.hub()))
        thread.start()
        thread.join()
        for _ in range(20):
            self.assertEqual(hubs[0].find_tasks(), [])

    def test_a_database_that_is_not_there_is_named_and_only_what_was_given_is_blamed(self):
        uri = "mongodb://127.0.0.1:1/x?serverSelectionTimeoutMS=200"
        with self.assertRaisesRegex(tensorhub.Unreachable, r"127\.0\.0\.1:1\b.*uri=") as raised:
            tensorhub.TensorHub(uri=uri, project_name="x").find_tasks()
        self.assertNotIn("TENSORHUB_URI", str(raised.exception))

    def test_a_connection_string_that_is_none_is_invalid(self):
        for uri in ("localhost:27017", "http://localhost", "mongodb://127.0.0.1:99999/x"):
            with self.assertRaisesRegex(tensorhub.InvalidInput, r"^uri: .*uri=") as raised:
                tensorhub.TensorHub(uri=uri, project_name="x")
            self.assertEqual(raised.exception.field, "uri")
            self.assertNotIn("TENSORHUB_URI", str(raised.exception))

    def test_the_environment_knows_better_than_the_arguments(self):
        db = tensorhub.TensorHub(ip="no.such.host", port=1, dbname="x", project_name=self.project)
        project = os.environ.get("TENSORHUB_PROJECT") or self.project
        self.assertEqual(db.project_name, project)
        self.assertEqual(db.find_tasks(description="none of this"), [])


def _is_zombie(pid):
    try:
        return pathlib.Path("/proc/%s/stat" % pid).read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
