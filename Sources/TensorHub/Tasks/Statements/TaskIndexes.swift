import BSON
import MongoDriver

/// The indexes that keep a claim, a wait and a listing at a handful of keys, whatever the size of the collection.
enum TaskIndexes {
    static let tasks: [IndexModel] = [
        IndexModel(
            name: "claim",
            keys: ["project_name": 1, "status": 1, "hub.ready": 1, "hub.priority": -1, "time": 1, "_id": 1]
        ),
        IndexModel(
            name: "claim_by_name",
            keys: [
                "project_name": 1, "status": 1, "hub.ready": 1, "task_name": 1, "hub.priority": -1, "time": 1, "_id": 1,
            ]
        ),
        IndexModel(name: "promote", keys: ["status": 1, "hub.ready": 1, "hub.not_before": 1]),
        IndexModel(name: "deadline", keys: ["hub.deadline": 1], sparse: true),
        IndexModel(name: "by_name", keys: ["project_name": 1, "task_name": 1, "status": 1]),
        IndexModel(name: "lease_runner", keys: ["hub.lease.runner": 1], sparse: true),
        IndexModel(name: "lease_expires", keys: ["hub.lease.expires": 1], sparse: true),
        IndexModel(name: "lease_token", keys: ["hub.lease.token": 1], sparse: true),
        IndexModel(
            name: "number",
            keys: ["hub.number": 1],
            unique: true,
            partialFilter: ["hub.number": ["$gte": 1]]
        ),
    ]

    static let output: [IndexModel] = [
        IndexModel(name: "chunk", keys: ["task_id": 1, "attempt": 1, "seq": 1], unique: true)
    ]
}
