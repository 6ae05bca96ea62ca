"""What TensorLayer writes is read, and what is written can be read as TensorLayer does: with pymongo and gridfs."""

import datetime
import io
import os
import pickle
import unittest

from support import ServerTestCase, needs_numpy, needs_server, numpy

try:
    import gridfs
    import pymongo
except ImportError:
    pymongo = None


@needs_server
@unittest.skipIf(pymongo is None, "this Python has no pymongo")
class TensorLayerTests(ServerTestCase):
    def setUp(self):
        super().setUp()
        client = pymongo.MongoClient(os.environ["TENSORHUB_URI"])
        self.addCleanup(client.close)
        self.mongo = client.get_default_database("tensorhub")

    def put(self, bucket, value):
        return gridfs.GridFS(self.mongo, collection=bucket).put(pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL))

    def insert(self, collection, **fields):
        """Saves a document as TensorLayer does."""
        self.mongo[collection].insert_one({**fields, "project_name": self.project, "time": datetime.datetime.utcnow()})

    def test_its_data_sets_are_pickles_that_have_to_be_allowed(self):
        identifier = self.put("datasetFilesystem", ([1, 2], [3]))
        self.insert("Dataset", description="digits", dataset_name="mnist", dataset_id=identifier)
        with self.assertRaisesRegex(ValueError, "pickle by TensorLayer.*allow_pickle=True"):
            self.db.find_top_dataset("mnist")
        self.assertEqual(self.db.find_top_dataset("mnist", allow_pickle=True), ([1, 2], [3]))
        self.assertEqual(self.db.find_datasets("mnist", allow_pickle=True, description="digits"), [([1, 2], [3])])
        self.assertEqual(self.db.delete_datasets(), 1)

    def test_its_models_are_found_by_their_metrics(self):
        for accuracy in (0.8, 0.9):
            identifier = self.put("modelfs", [accuracy])
            fields = {"test_accuracy": accuracy, "architecture": {"n": 1}, "params_id": identifier}
            self.insert("Model", model_name="mlp", **fields)
        best = self.db.find_top_model(model_name="mlp", sort=[("test_accuracy", -1)], allow_pickle=True)
        self.assertEqual((best._test_accuracy, best.architecture, best.params), (0.9, {"n": 1}, [0.9]))

    @needs_numpy
    def test_a_model_that_is_saved_is_found_by_its_query(self):
        for accuracy in (0.8, 0.9, 0.7):
            self.db.save_model([numpy.full(2, accuracy)], "mlp", test_accuracy=accuracy)
        found = self.mongo.Model.find_one(
            filter={"model_name": "mlp", "project_name": self.project}, sort=[("test_accuracy", -1)]
        )
        self.assertEqual(found["test_accuracy"], 0.9)
        with gridfs.GridFS(self.mongo, collection="modelfs").get(found["params_id"]) as file:
            with numpy.load(io.BytesIO(file.read())) as archive:
                self.assertEqual(archive["arr_0"].tolist(), [0.9, 0.9])

    def test_its_distributor_sees_our_tasks(self):
        self.db.create_task("mnist", self.file("script.py", "x = 1\n"), {"n": 1}, ["x"], description="a")
        unfinished = {"$or": [{"status": "pending"}, {"status": "running"}]}
        task = self.mongo.Task.find_one({"project_name": self.project, "description": "a", **unfinished})
        self.assertEqual((task["script"], task["hyper_parameters"]), (b"x = 1\n", {"n": 1}))
        self.assertEqual((task["saved_result_keys"], task["result"]), (["x"], {}))

    def test_its_logs_are_read(self):
        self.insert("TrainLog", loss=1)
        self.assertEqual([entry["loss"] for entry in self.db.find_training_log()], [1])
