import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// Data sets and models that TensorLayer's own programs write and look for.
@Suite struct TensorLayerContentTests {
    /// `save_dataset` and `save_model` of TensorLayer 2.x, statement by statement.
    private static let writer = """
        import sys, pickle, datetime, gridfs, pymongo
        database = pymongo.MongoClient(sys.argv[1]).get_default_database()
        data = bytes(range(256)) * 5000

        def blob(bucket, value):
            fs = gridfs.GridFS(database, collection=bucket)
            return fs.put(pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL))

        tags = {"description": "digits"}
        params = {"project_name": "tl", "dataset_name": "mnist", "dataset_id": blob("datasetFilesystem", data),
                  "time": datetime.datetime.utcnow()}
        tags.update(params)
        database.Dataset.insert_one(tags)

        tags = {"test_accuracy": 0.97}
        tags.update({"model_name": "mlp", "project_name": "tl", "architecture": {"layers": [1, 2]},
                     "time": datetime.datetime.utcnow(), "params_id": blob("modelfs", [data, "weights"])})
        database.Model.insert_one(tags)
        sys.stdout.write(pickle.dumps(data, protocol=pickle.HIGHEST_PROTOCOL).hex())
        """

    /// Its `find_top_dataset`, `find_top_model`, `find_datasets`.
    private static let reader = """
        import sys, gridfs, pymongo
        database = pymongo.MongoClient(sys.argv[1]).get_default_database()

        def top(collection, sort, **filter):
            filter.update({"project_name": "tl"})
            return database[collection].find_one(filter=filter, sort=sort)

        d = top("Dataset", [("time", -1)], dataset_name="mnist", description="ours")
        print(gridfs.GridFS(database, collection="datasetFilesystem").get(d["dataset_id"]).read().decode())
        m = top("Model", [("test_accuracy", -1)], model_name="mlp")
        print(gridfs.GridFS(database, collection="modelfs").get(m["params_id"]).read().decode(), m["architecture"]["n"])
        print(len(list(database.Dataset.find({"project_name": "tl", "dataset_name": "mnist"}))))
        """

    private func withBoth(_ body: (Hub, String) async throws -> Void) async throws {
        try await withTestDatabase { _, name in
            let uri = try await TestMongo.uri(database: name)
            try await Hub.withHub(uri: uri, project: "tl") { try await body($0, uri) }
        }
    }

    @Test func `What pymongo wrote in the original's shape is found, streamed out byte for byte, and deleted`()
        async throws
    {
        try await withBoth { hub, uri in
            let pickled = try await runPython(Self.writer, [uri])
            let dataSet = try await hub.findDataSet(ContentQuery(name: "mnist"))
            #expect(dataSet.version == nil && dataSet.kind == nil && dataSet.tags == ["description": "digits"])
            let file = try await hub.files(of: dataSet)[0]
            var bytes: [UInt8] = []
            for try await piece in hub.read(file, in: .dataSets) { bytes += piece }
            #expect(hex(bytes) == pickled)
            #expect(file.blob.length == Int64(bytes.count))
            try await withTemporaryDirectory { folder in
                let local = try await hub.download(dataSet, to: "\(folder)/new/mnist")
                #expect(try readFile(local.files[0].localPath) == bytes)
            }
            let model = try await hub.findModel(ContentQuery(sort: .descending("test_accuracy")))
            #expect(model.name == "mlp" && model.architecture == ["layers": [1, 2]])
            #expect(try await hub.tensors(of: model).others == ["parameters"])

            // Our next version of that name begins at 1, and is the newest.
            #expect(try await hub.saveDataSet(.bytes([1], as: "f"), name: "mnist").version == 1)
            #expect(try await hub.findDataSet(ContentQuery(name: "mnist")).version == 1)
            try await hub.setStage("production", of: ContentQuery(name: "mlp"))
            #expect(try await hub.findModel(ContentQuery(name: "mlp"), stage: "production").id == model.id)
            #expect(try await hub.deleteModels(ContentQuery(), force: true) == 1)
            #expect(try await hub.deleteDataSets(ContentQuery()) == 2)
            for bucket in ["datasetFilesystem", "modelfs"] {
                #expect(try await hub.database.collection("\(bucket).files").countDocuments() == 0)
                #expect(try await hub.database.collection("\(bucket).chunks").countDocuments() == 0)
            }
        }
    }

    @Test func `What we saved is found by the original's queries and read by its GridFS`() async throws {
        try await withBoth { hub, uri in
            try await hub.saveDataSet(
                .bytes(Array("pixels".utf8), as: "f"),
                name: "mnist",
                tags: ["description": "ours"]
            )
            for (accuracy, text) in [(0.9, "worse"), (0.99, "best"), (0.5, "worst")] {
                try await hub.saveModel(
                    .bytes(Array(text.utf8), as: "w"),
                    name: "mlp",
                    architecture: ["n": 7],
                    tags: ["test_accuracy": .double(accuracy)]
                )
            }
            let printed = try await runPython(Self.reader, [uri])
            #expect(printed == "pixels\nbest 7\n1\n")
        }
    }

    private func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
