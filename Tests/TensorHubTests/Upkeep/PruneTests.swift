import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

@Suite struct PruneTests {
    private static let old = BSONDateTime(millisecondsSince1970: 1_600_000_000_000)

    /// Makes documents of a collection old.
    private func age(_ hub: Hub, _ collection: String, _ filter: BSONDocument = [:]) async throws {
        try await hub.database.collection(collection).updateMany(
            filter,
            .document(["$set": ["time": .dateTime(Self.old)]])
        )
    }

    private func task(_ hub: Hub, _ status: String, name: String = "t", isOld: Bool = true) async throws -> ObjectID {
        let id = ObjectID()
        let now = try await hub.serverTime()
        try await hub.insertForeignTask([
            "_id": .objectID(id), "project_name": .string(hub.project), "task_name": .string(name),
            "time": .dateTime(isOld ? Self.old : now), "status": .string(status), "hub": ["v": 1],
        ])
        return id
    }

    private func lineage(_ task: ObjectID, _ dataSet: DataSetRecord? = nil) throws -> Lineage {
        Lineage(
            origin: AttemptID(task: task, number: 1),
            dataSets: try dataSet.map {
                [.init(id: try #require($0.id), name: "mnist", version: $0.version, sha256: $0.sha256)]
            } ?? []
        )
    }

    @Test func `What runs, what holds a stage and what a kept document refers to stays, with the reason`() async throws
    {
        try await withTestHub { hub in
            let maker = try await task(hub, "finished")
            let plain = try await task(hub, "finished")
            let states = ["pending", "running", "failed", "cancelled"]
            for status in states { _ = try await task(hub, status) }
            let young = try await task(hub, "finished", isOld: false)
            let used = try await hub.saveDataSet(.bytes([1], as: "f"), name: "mnist")
            try await hub.saveDataSet(.bytes([2], as: "f"), name: "mnist")
            // The same content under another name.
            try await hub.saveDataSet(.bytes([1], as: "f"), name: "copy")
            try await hub.saveModel(.bytes([3], as: "w"), name: "mlp", lineage: try lineage(maker, used))
            try await hub.saveModel(.bytes([4], as: "w"), name: "mlp", lineage: try lineage(plain))
            try await hub.setStage("production", of: ContentQuery(name: "mlp", version: 1))
            try await hub.saveLogs(.training, [["loss": 1]], origin: AttemptID(task: maker, number: 1))
            try await hub.saveLogs(.training, [["loss": 2]], origin: AttemptID(task: plain, number: 1))
            try await hub.saveLogs(.testing, [["loss": 3]], origin: AttemptID(task: ObjectID(), number: 1))
            try await hub.saveLogs(.testing, [["loss": 4], ["loss": 5]])
            for name in ["Dataset", "Model", "TrainLog", "TestLog"] { try await age(hub, name) }
            try await hub.saveLogs(.testing, [["loss": 6]])

            let retention = Retention(olderThan: .seconds(3600))
            let expected: [Retention.Kind: Int] = [.tasks: 3, .models: 1, .dataSets: 1, .logs: 4]
            let dry = try await hub.prune(retention, dryRun: true)
            #expect(dry.counts == expected)
            #expect(try await hub.findTasks().count == 7)
            #expect(try await hub.findModels().count == 2)
            #expect(try await hub.logs(.testing).count == 4)

            let report = try await hub.prune(retention)
            #expect(report.counts == expected)
            #expect(report.models.map(\.version) == [2] && report.dataSets.map(\.version) == [2])
            let tasks = try await hub.findTasks()
            #expect(tasks.compactMap(\.id).filter { [maker, young].contains($0) }.count == 2)
            #expect(Set(tasks.map(\.status.rawValue)) == ["pending", "running", "finished"] && tasks.count == 4)
            #expect(try await hub.findModel(ContentQuery(name: "mlp")).version == 1)
            #expect(try await hub.findDataSets().map(\.name) == ["mnist", "copy"])
            #expect(try await hub.logs(.training).map { $0.values["loss"] } == [1])
            #expect(try await hub.logs(.testing).map { $0.values["loss"] } == [6])
            let reasons = report.kept.map { "\($0.kind.rawValue) \($0.name): \($0.reason)" }
            #expect(
                Set(reasons) == [
                    "models mlp: holds stage 'production'", "datasets mnist: made model 'mlp' version 1",
                    "datasets copy: made model 'mlp' version 1", "tasks t: made model 'mlp' version 1",
                ]
            )
            #expect(try await hub.prune(retention).isEmpty)
        }
    }

    @Test func `The newest versions of each name stay, whatever their age`() async throws {
        try await withTestHub { hub in
            for version in 1...5 { try await hub.saveDataSet(.bytes([UInt8(version)], as: "f"), name: "mnist") }
            try await hub.saveDataSet(.bytes([9], as: "f"), name: "other")
            var retention = Retention(kinds: [.dataSets], keeping: 2)
            retention.name = "mnist"
            let report = try await hub.prune(retention)
            #expect(report.dataSets.compactMap(\.version) == [3, 2, 1])
            #expect(try await hub.findDataSets().map(\.version) == [4, 5, 1])
            #expect(try await hub.database.collection("datasetFilesystem.files").countDocuments() == 3)
        }
    }

    @Test func `Tasks are chosen by state and name, with their output and their logs`() async throws {
        try await withTestHub { hub in
            let failed = try await task(hub, "failed", name: "a")
            _ = try await task(hub, "failed", name: "b")
            _ = try await task(hub, "finished", name: "a")
            for id in [failed, ObjectID()] {
                try await hub.database.collection("TaskOutput").insertOne([
                    "task_id": .objectID(id), "attempt": 1, "seq": 0,
                ])
                try await hub.saveLogs(.validation, [["x": 1]], origin: AttemptID(task: id, number: 1))
            }
            try await age(hub, "ValidLog")
            let report = try await hub.prune(
                Retention(kinds: [.tasks, .logs], olderThan: .seconds(60), name: "a", statuses: [.failed])
            )
            #expect(report.counts == [.tasks: 1, .logs: 1])
            #expect(try await hub.findTasks().compactMap(\.name).sorted() == ["a", "b"])
            #expect(try await hub.database.collection("TaskOutput").countDocuments() == 1)
            #expect(try await hub.logs(.validation).count == 1)
        }
    }

    @Test func `What has not ended cannot be chosen`() async throws {
        try await withTestHub { hub in
            for retention in [
                Retention(statuses: [.running]), Retention(kinds: []), Retention(keeping: -1),
                Retention(olderThan: .seconds(-1)),
            ] {
                let error = await #expect(throws: HubError.self) { try await hub.prune(retention) }
                #expect(error?.code == .invalidInput)
            }
            let nothing = try await hub.prune(Retention(olderThan: .seconds(1_000_000_000_000_000)))
            #expect(nothing.isEmpty)
        }
    }
}
