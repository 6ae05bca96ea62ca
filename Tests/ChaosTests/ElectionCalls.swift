import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// A call of the library that is made while there is no primary, and what must be so afterwards.
struct ElectionCall: Sendable {
    var name: String
    /// What is there before the trouble; returns the call with its check.
    var prepare: @Sendable (_ hub: Hub, _ name: String) async throws -> @Sendable () async throws -> Void

    init(
        _ name: String,
        _ prepare: @escaping @Sendable (_ hub: Hub, _ name: String) async throws -> @Sendable () async throws -> Void
    ) {
        self.name = name
        self.prepare = prepare
    }

    static let all: [ElectionCall] = tasks + logs + contents + others

    private static func ended(_ hub: Hub, _ name: String, _ count: Int, _ status: String = "finished") async throws
        -> [ObjectID]
    {
        let ids = try await hub.createTasks(
            (0..<count).map { _ in TaskSpec(name: name, script: "#!/bin/true") }
        )
        // It comes to the same when it is sent twice, and a primary may be lost under it.
        try await hub.tasks.idempotent.updateMany(
            ["_id": ["$in": .array(ids.map(BSONValue.objectID))]],
            .document(["$set": ["status": .string(status)]])
        )
        return ids
    }

    static let tasks: [ElectionCall] = [
        ElectionCall("createTasks") { hub, name in
            { () async throws -> Void in
                let ids = try await hub.createTasks(
                    (0..<50).map { _ in TaskSpec(name: name, script: "#!/bin/true") }
                )
                #expect(Set(ids).count == 50)
                #expect(try await hub.countTasks(.named(name))[.pending] == 50)
            }
        },
        ElectionCall("findTasks, task, countTasks, hasUnfinishedTasks") { hub, name in
            let ids = try await ended(hub, name, 3)
            return { () async throws -> Void in
                #expect(try await hub.findTasks(.named(name)).count == 3)
                #expect(try await hub.task(ids[0]).name == name)
                #expect(try await hub.countTasks(.named(name))[.finished] == 3)
                #expect(try await !hub.hasUnfinishedTasks(.named(name)))
            }
        },
        ElectionCall("cancelTasks") { hub, name in
            _ = try await ended(hub, name, 5, "pending")
            return { () async throws -> Void in
                #expect(try await hub.cancelTasks(.named(name), by: "me") == 5)
                #expect(try await hub.countTasks(.named(name))[.cancelled] == 5)
            }
        },
        ElectionCall("retryTasks") { hub, name in
            _ = try await ended(hub, name, 5, "failed")
            return { () async throws -> Void in
                #expect(try await hub.retryTasks(.named(name)) == 5)
                #expect(try await hub.countTasks(.named(name))[.pending] == 5)
            }
        },
        ElectionCall("holdTasks, releaseTasks") { hub, name in
            _ = try await ended(hub, name, 5, "pending")
            return { () async throws -> Void in
                #expect(try await hub.holdTasks(.named(name)) == 5)
                #expect(try await hub.releaseTasks(.named(name)) == 5)
            }
        },
        ElectionCall("deleteTasks") { hub, name in
            _ = try await ended(hub, name, 1500)
            return { () async throws -> Void in
                #expect(try await hub.deleteTasks(.named(name)) == 1500)
                #expect(try await hub.countTasks(.named(name)).isEmpty)
            }
        },
        ElectionCall("waitForTasks") { hub, name in
            _ = try await ended(hub, name, 2)
            return { () async throws -> Void in #expect(try await hub.waitForTasks(.named(name)).total == 2) }
        },
        ElectionCall("explain, readOutput") { hub, name in
            let ids = try await ended(hub, name, 1, "pending")
            return { () async throws -> Void in
                #expect(try await hub.explain(ids[0]).task.name == name)
                #expect(try await hub.readOutput(of: ids[0]).isEmpty)
            }
        },
    ]

    static let logs: [ElectionCall] = [
        ElectionCall("saveLogs") { hub, name in
            { () async throws -> Void in
                try await hub.saveLogs(.training, (0..<200).map { ["run": .string(name), "n": .int32($0)] })
                let found = try await hub.logs(.training, FieldPath("run") == .string(name))
                #expect(found.compactMap { $0.document["n"]?.intValue } == Array(0..<200))
            }
        },
        ElectionCall("forEachLog, countLogs, logFieldNames, deleteLogs") { hub, name in
            try await hub.saveLogs(.validation, (0..<500).map { ["run": .string(name), name: .int32($0)] })
            return { () async throws -> Void in
                let mine = FieldPath("run") == .string(name)
                var seen: [Int] = []
                try await hub.forEachLog(.validation, mine) { seen.append($0.document[name]?.intValue ?? -1) }
                #expect(seen == Array(0..<500))
                #expect(try await hub.countLogs(.validation, mine) == 500)
                #expect(try await hub.logFieldNames(.validation, mine).contains(name))
                #expect(try await hub.deleteLogs(.validation, mine) == 500)
            }
        },
    ]

    static let contents: [ElectionCall] = [
        ElectionCall("saveDataSet, findDataSet, download, deleteDataSets") { hub, name in
            { () async throws -> Void in
                let bytes = [UInt8](repeating: 7, count: 3_000_000) + Array(name.utf8)
                let saved = try await hub.saveDataSet(.bytes(bytes, as: "data"), name: name)
                #expect(saved.version == 1)
                let found = try await hub.findDataSets(ContentQuery(name: name))
                #expect(found.count == 1)
                try await withTemporaryDirectory { folder in
                    _ = try await hub.download(try await hub.findDataSet(ContentQuery(name: name)), to: folder + "/x")
                }
                #expect(try await hub.deleteDataSets(ContentQuery(name: name)) == 1)
            }
        },
        ElectionCall("saveDataSet of a stream") { hub, name in
            { () async throws -> Void in
                let pieces = (0..<20).map { [UInt8](repeating: UInt8($0), count: 200_000) }
                let stream = AsyncThrowingStream<[UInt8], any Error> { continuation in
                    for piece in pieces { continuation.yield(piece) }
                    continuation.finish()
                }
                _ = try await hub.saveDataSet(.stream(stream, as: "data"), name: name)
                let stored = try await hub.findDataSet(ContentQuery(name: name))
                var read: [UInt8] = []
                for file in try await hub.files(of: stored) {
                    for try await piece in hub.read(file, in: .dataSets) { read += piece }
                }
                #expect(read == pieces.flatMap { $0 })
            }
        },
        ElectionCall("saveModel, setStage, unsetStage, deleteModels") { hub, name in
            { () async throws -> Void in
                let saved = try await hub.saveModel(.bytes(Array(name.utf8), as: "weights"), name: name)
                #expect(saved.version == 1)
                try await hub.setStage("production", of: ContentQuery(name: name), by: "me")
                #expect(try await hub.stages(name: name).count == 1)
                let stage = try await hub.database.collection("ModelStage").findOne(["_id.name": .string(name)])
                #expect(stage?["history"]?.arrayValue?.count == 1)
                #expect(try await hub.findModel(ContentQuery(name: name), stage: "production").id == saved.id)
                #expect(try await hub.unsetStage("production", name: name))
                #expect(try await hub.deleteModels(ContentQuery(name: name)) == 1)
            }
        },
    ]

    static let others: [ElectionCall] = [
        ElectionCall("findRunners, pauseRunners") { hub, name in
            let id = ObjectID()
            try await hub.runners.insertOne([
                "_id": .objectID(id), "project": .string(hub.project), "name": .string(name), "state": "running",
            ])
            return { () async throws -> Void in
                #expect(try await hub.findRunners().contains { $0.id == id })
                #expect(try await hub.pauseRunners(.ids([id]), by: "me") == 1)
            }
        },
        ElectionCall("serverTime, collectGarbage, collectOutput") { hub, _ in
            { () async throws -> Void in
                _ = try await hub.serverTime()
                _ = try await hub.collectGarbage()
                _ = try await hub.collectOutput()
            }
        },
        ElectionCall("prune") { hub, name in
            _ = try await ended(hub, name, 3)
            return { () async throws -> Void in
                let report = try await hub.prune(Retention(kinds: [.tasks], name: name))
                #expect(report.counts[.tasks] == 3)
            }
        },
    ]
}
