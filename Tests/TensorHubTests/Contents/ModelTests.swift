import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

@Suite struct ModelTests {
    private static let parameters = Content.bytes(Array("weights".utf8), as: "model.safetensors")

    @Test func `A model has exactly the original's fields and types in its order, and ours besides`() async throws {
        try await withTestHub(project: "vision") { hub in
            let saved = try await hub.saveModel(
                Self.parameters,
                name: "mlp",
                architecture: ["layers": [784, 10]],
                tags: ["test_accuracy": 0.97],
                lineage: Lineage(
                    origin: AttemptID(task: ObjectID(), number: 2),
                    dataSets: [.init(id: ObjectID(), name: "mnist", version: 3, sha256: "ab")]
                )
            )
            let stored = try #require(try await hub.database.collection("Model").findOne())
            #expect(stored == saved.document)
            let types = stored.map { ($0.key, $0.value.type) }
            let expected: [(String, BSONType)] = [
                ("_id", .objectID), ("test_accuracy", .double), ("model_name", .string), ("project_name", .string),
                ("architecture", .document), ("time", .dateTime), ("params_id", .objectID), ("hub", .document),
            ]
            #expect(types.map(\.0) == expected.map(\.0))
            #expect(types.map(\.1) == expected.map(\.1))
            #expect(saved.lineage?.origin.number == 2)
            #expect(saved.lineage?.dataSets.map(\.name) == ["mnist"] && saved.sources.map(\.version) == [3])
            #expect(stored["params_id"]?.objectIDValue == saved.files[0].blob.id)
            #expect(saved.architecture == ["layers": [784, 10]])
        }
    }

    @Test func `An architecture alone is a model too`() async throws {
        try await withTestHub { hub in
            let saved = try await hub.saveModel(nil, name: "mlp", architecture: ["layers": 3])
            #expect(saved.version == 1 && saved.files.isEmpty && saved.sha256 == nil && saved.kind == nil)
            #expect(saved.document["params_id"] == nil)
            #expect(try await hub.findModel(ContentQuery(name: "mlp")).document == saved.document)
            let error = await #expect(throws: HubError.self) {
                try await hub.saveModel(nil, name: "mlp", architecture: ["a": ["b.c": 1]])
            }
            #expect(error?.field == "architecture.a.b.c")
        }
    }

    @Test func `The newest, the oldest and the best by any field are found`() async throws {
        try await withTestHub { hub in
            for accuracy in [0.9, 0.97, .nan, 0.8] {
                try await hub.saveModel(nil, name: "mlp", tags: ["test_accuracy": .double(accuracy)])
            }
            #expect(try await hub.findModel(ContentQuery(name: "mlp")).version == 4)
            #expect(try await hub.findModel(ContentQuery(name: "mlp", sort: .oldest)).version == 1)
            #expect(try await hub.findModel(ContentQuery(sort: .descending("test_accuracy"))).version == 2)
            #expect(try await hub.findModel(ContentQuery(sort: .ascending("test_accuracy"))).version == 4)
            let good = ContentQuery(name: "mlp", filter: "test_accuracy" > 0.85, sort: .ascending("test_accuracy"))
            #expect(try await hub.findModel(good).version == 1)
        }
    }

    @Test func `Exactly one version holds a stage, whoever sets it at the same time`() async throws {
        try await withTestHub { hub in
            for _ in 0..<8 { try await hub.saveModel(nil, name: "mlp") }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for version in 1...8 {
                    group.addTask {
                        try await hub.setStage("production", of: ContentQuery(name: "mlp", version: version), by: "ann")
                    }
                }
                try await group.waitForAll()
            }
            let stages = try await hub.stages()
            #expect(stages.count == 1)
            let holder = try await hub.findModel(ContentQuery(name: "mlp"), stage: "production")
            #expect(holder.id == stages[0].model && holder.version == stages[0].version)
            let history = try #require(stages[0].document["history"]?.arrayValue)
            #expect(Set(history.compactMap { $0.documentValue?["version"]?.intValue }) == Set(1...8))
            #expect(history.last?.documentValue?["model"]?.objectIDValue == holder.id)
            #expect(stages[0].time != nil && stages[0].document["by"] == "ann")

            try await hub.setStage("candidate", of: ContentQuery(name: "mlp"))
            #expect(try await hub.findModel(ContentQuery(name: "mlp"), stage: "candidate").version == 8)
            #expect(try await hub.unsetStage("production", name: "mlp"))
            #expect(try await hub.unsetStage("production", name: "mlp") == false)
            #expect(try await hub.stages(name: "mlp").map(\.stage) == ["candidate"])
        }
    }

    @Test func `A stage that nobody holds, or that cannot be, is a clear error`() async throws {
        try await withTestHub { hub in
            try await hub.saveModel(nil, name: "mlp")
            try await hub.saveModel(nil, name: "cnn")
            let unset = await #expect(throws: HubError.self) {
                try await hub.findModel(ContentQuery(name: "mlp"), stage: "production")
            }
            #expect(unset?.code == .notFound && unset?.field == "stage")
            try await hub.setStage("production", of: ContentQuery(name: "mlp"))
            let near = await #expect(throws: HubError.self) {
                try await hub.findModel(ContentQuery(name: "mlp"), stage: "prodction")
            }
            #expect(near?.suggestions == ["production"])
            #expect(try await hub.findModel(ContentQuery(), stage: "production").name == "mlp")
            try await hub.setStage("production", of: ContentQuery(name: "cnn"))
            let several = await #expect(throws: HubError.self) {
                try await hub.findModel(ContentQuery(), stage: "production")
            }
            #expect(several?.field == "name")
            let absent = await #expect(throws: HubError.self) {
                try await hub.findModel(ContentQuery(name: "cn"), stage: "production")
            }
            #expect(absent?.suggestions == ["cnn"])
            for stage in ["", "a b", "a/b", "a\n"] {
                let error = await #expect(throws: HubError.self) {
                    try await hub.setStage(stage, of: ContentQuery(name: "mlp"))
                }
                #expect(error?.field == "stage")
            }
        }
    }

    @Test func `A model that holds a stage is deleted only by force, and the stage is then nobody's`() async throws {
        try await withTestHub { hub in
            for _ in 0..<2 { try await hub.saveModel(Self.parameters, name: "mlp") }
            try await hub.setStage("production", of: ContentQuery(name: "mlp", version: 1))
            let refused = await #expect(throws: HubError.self) { try await hub.deleteModels(ContentQuery(name: "mlp")) }
            #expect(refused?.code == .wrongState && refused?.message.contains("'production'") == true)
            #expect(try await hub.findModels().count == 2)
            #expect(try await hub.deleteModels(ContentQuery(name: "mlp", version: 2)) == 1)
            #expect(try await hub.deleteModels(ContentQuery(name: "mlp"), force: true) == 1)
            #expect(try await hub.stages().isEmpty)
            #expect(try await hub.database.collection("modelfs.files").countDocuments() == 0)
        }
    }

    @Test func `A data set in the lineage of a model can be spared`() async throws {
        try await withTestHub { hub in
            let first = try await hub.saveDataSet(.bytes([1], as: "f"), name: "mnist")
            try await hub.saveDataSet(.bytes([2], as: "f"), name: "mnist")
            try await hub.saveModel(
                nil,
                name: "mlp",
                lineage: Lineage(
                    origin: AttemptID(task: ObjectID(), number: 1),
                    dataSets: [.init(id: try #require(first.id), name: "mnist", version: 1, sha256: first.sha256)]
                )
            )
            let refused = await #expect(throws: HubError.self) {
                try await hub.deleteDataSets(ContentQuery(name: "mnist"), sparingLineage: true)
            }
            #expect(refused?.code == .wrongState && refused?.message.contains("'mlp' version 1") == true)
            #expect(try await hub.deleteDataSets(ContentQuery(name: "mnist", version: 2), sparingLineage: true) == 1)
            #expect(try await hub.deleteDataSets(ContentQuery(name: "mnist")) == 1)
        }
    }

    @Test func `Who has held a stage is remembered when it is taken away and when its model is deleted`() async throws {
        try await withTestHub { hub in
            func history() async throws -> [Int?] {
                let document = try await hub.database.collection("ModelStage").findOne()
                return (document?["history"]?.arrayValue ?? []).map { $0.documentValue?["version"]?.intValue }
            }
            for _ in 0..<2 { try await hub.saveModel(nil, name: "mlp") }
            try await hub.setStage("production", of: ContentQuery(name: "mlp", version: 1))
            #expect(try await hub.unsetStage("production", name: "mlp"))
            #expect(try await hub.stages().isEmpty)
            let gone = await #expect(throws: HubError.self) {
                try await hub.findModel(ContentQuery(name: "mlp"), stage: "production")
            }
            #expect(gone?.code == .notFound)
            try await hub.setStage("production", of: ContentQuery(name: "mlp", version: 2))
            #expect(try await hub.deleteModels(ContentQuery(name: "mlp", version: 2), force: true) == 1)
            #expect(try await hub.stages().isEmpty)
            #expect(try await history() == [1, nil, 2, nil])
            try await hub.setStage("production", of: ContentQuery(name: "mlp"))
            #expect(try await hub.findModel(ContentQuery(name: "mlp"), stage: "production").version == 1)
            #expect(try await history() == [1, nil, 2, nil, 1])
        }
    }

    @Test func `What is too large is refused before a byte is stored, and by the check before as well`() async throws {
        try await withTestHub { hub in
            let architecture: BSONDocument = ["layers": .string(String(repeating: "a", count: 15 << 20))]
            let tags: BSONDocument = ["note": .string(String(repeating: "b", count: 2 << 20))]
            let checked = #expect(throws: HubError.self) {
                try Hub.checkModel(Self.parameters, name: "mlp", architecture: architecture, tags: tags)
            }
            let saved = await #expect(throws: HubError.self) {
                try await hub.saveModel(Self.parameters, name: "mlp", architecture: architecture, tags: tags)
            }
            for error in [checked, saved] { #expect(error?.code == .invalidInput && error?.field == "files") }
            #expect(try await hub.database.listCollectionNames().isEmpty)
            try Hub.checkModel(Self.parameters, name: "mlp", architecture: architecture, tags: [:])
            try await hub.saveModel(Self.parameters, name: "mlp", architecture: architecture)
        }
    }
}
