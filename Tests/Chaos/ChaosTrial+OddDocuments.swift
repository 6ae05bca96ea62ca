import BSON
import MongoDriver
import Synchronization
import TensorHub
import TestSupport

/// Documents that MongoDB takes and that no driver should send.
extension ChaosTrial {
    /// Puts a task with a key twice at the head of the queue, of which an update by a pipeline makes mongod 6.0 abort. MongoDB
    /// must live, and whatever becomes of the task, the others must not notice.
    func storeRepeatedKey(_ plan: FaultPlan, _ time: Duration) async throws -> String {
        let id = ObjectID()
        let (place, document) = try await Self.repeatingKey(id, plan.choice, hub)
        try await patiently {
            _ = try await hub.database.runCommand(["insert": "Task", "documents": [.document(document)]])
        }
        let filter: BSONDocument = ["_id": .objectID(id)]
        let end = ContinuousClock.now + max(time, options.lease * 2)
        while ContinuousClock.now < end, deployment.isRunning, !Task.isCancelled {
            let status = try? await hub.tasks.findOne(filter)?["status"]?.stringValue
            if let status, status != "pending", status != "running" { break }
            await pause(.milliseconds(100))
        }
        if !deployment.isRunning {
            findings.withLock { $0.append(.init(sentence: "a task with a key twice (\(place)) ended mongod")) }
        }
        // As long as it is there the next claim ends it again.
        for _ in 0..<50 {
            if !deployment.isRunning { try? await deployment.restart() }
            if (try? await hub.tasks.deleteMany(filter)) != nil { break }
        }
        return place
    }

    private static func repeatingKey(
        _ id: ObjectID,
        _ choice: UInt64,
        _ hub: Hub
    ) async throws -> (place: String, document: BSONDocument) {
        let twice = BSONDocument(elements: [("lr", 1), ("lr", 2)])
        let fields: [(String, BSONValue)] = [
            ("v", 1), ("ready", true), ("priority", 2000), ("attempt", 0), ("max_failures", 3), ("failures", 0),
            ("interruptions", 0), ("lost", 0),
        ]
        let places = ["a tag", "its parameters", "hub", "a tag of another program's task", "a list in a tag"]
        let place = places[Int(choice % UInt64(places.count))]
        var elements: [(String, BSONValue)] = [("_id", .objectID(id))]
        if place.hasPrefix("a tag") { elements += [("note", "a"), ("note", "b")] }
        if place == "a list in a tag" { elements.append(("list", .array([.document(twice)]))) }
        elements += [
            ("project_name", .string(project)), ("time", .dateTime(try await hub.serverTime())),
            ("hyper_parameters", .document(place == "its parameters" ? twice : [:])), ("saved_result_keys", []),
            ("status", "pending"), ("script", .binary(.init(bytes: Array("#!/bin/sh\n".utf8)))), ("result", [:]),
        ]
        let own = BSONDocument(elements: place == "hub" ? fields + [("priority", 2000)] : fields)
        if place != places[3] { elements.append(("hub", .document(own))) }
        return (place, BSONDocument(elements: elements))
    }
}
