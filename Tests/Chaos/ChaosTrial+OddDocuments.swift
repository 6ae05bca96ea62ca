import BSON
import Glibc
import MongoDriver
import Synchronization
import TensorHub
import TestSupport

/// Documents that MongoDB takes and that no driver should send.
extension ChaosTrial {
    /// Puts a task with a key twice at the head of the queue, of which an update by a pipeline makes mongod 6.0 abort.
    /// MongoDB must live, and whatever becomes of the task, the others must not notice.
    func storeRepeatedKey(_ plan: FaultPlan, _ time: Duration) async throws -> String {
        let id = ObjectID()
        let (place, document) = try await Self.repeatingKey(id, plan.choice, hub)
        try await patiently {
            _ = try await hub.database.runCommand(["insert": "Task", "documents": [.document(document)]])
        }
        let filter: BSONDocument = ["_id": .objectID(id)]
        _ = await eventually(within: max(time, options.lease * 2), every: .milliseconds(100)) {
            if !deployment.isRunning || Task.isCancelled { return true }
            let status = try? await hub.tasks.findOne(filter)?["status"]?.stringValue
            return status.map { $0 != "pending" && $0 != "running" } ?? false
        }
        if !deployment.isRunning {
            findings.withLock { $0.append(.init(sentence: "a task with a key twice (\(place)) ended mongod")) }
            // As long as it is there the next claim would end it again.
            for runner in runners { runner.signal(SIGSTOP) }
        }
        for _ in 0..<20 {
            if !deployment.isRunning { try? await deployment.restart() }
            if (try? await hub.tasks.deleteMany(filter)) != nil { break }
        }
        for runner in runners { runner.signal(SIGCONT) }
        return place
    }

    private static func repeatingKey(
        _ id: ObjectID,
        _ choice: UInt64,
        _ hub: Hub
    ) async throws -> (place: String, document: BSONDocument) {
        // Those that a claim, an end or an adoption changes.
        let places = ["status", "hub.attempt", "hub.history", "result", "hub.priority of another program's task"]
        let place = places[Int(choice % UInt64(places.count))]
        var own: [(String, BSONValue)] = [("v", 1), ("priority", 2000), ("attempt", 0), ("history", [])]
        if place.hasPrefix("hub.priority") { own.append(("priority", 2000)) } else { own.append(("ready", true)) }
        if place == "hub.attempt" { own.append(("attempt", 0)) }
        if place == "hub.history" { own.append(("history", [])) }
        var elements: [(String, BSONValue)] = [
            ("_id", .objectID(id)), ("project_name", .string(project)),
            ("time", .dateTime(try await hub.serverTime())), ("hyper_parameters", [:]), ("saved_result_keys", []),
            ("status", "pending"), ("script", .binary(BSONBinary(bytes: Array("#!/bin/sh\n".utf8)))), ("result", [:]),
            ("hub", .document(BSONDocument(elements: own))),
        ]
        if place == "status" { elements.append(("status", "pending")) }
        if place == "result" { elements.append(("result", [:])) }
        return (place, BSONDocument(elements: elements))
    }
}
