package import BSON

/// Attempts whose ends nobody can deliver: their runner, their supervisor or their machine is gone.
extension TaskStatements {
    /// So many lost attempts make a task `failed`: it may be what kills the machines.
    package static let lostLimit: Int32 = 5

    /// Back to pending, `cancelled` where somebody wants that, `failed` at the limit.
    static func lost(_ failure: TaskFailure, history: BSONValue) -> [BSONDocument] {
        let isLast: BSONValue = ["$gte": ["$hub.lost", .int32(lostLimit)]]
        let isOver: BSONValue = ["$ne": ["$status", pending]]
        return [
            [
                "$set": [
                    "hub.lost": ["$add": [int("$hub.lost"), 1]],
                    "hub.interruptions": ["$add": [int("$hub.interruptions"), 1]],
                    "hub.history": history,
                    "hub.ready": mark(isReady: true),
                ]
            ],
            ["$set": ["status": ["$cond": [isCancelRequested, "cancelled", ["$cond": [isLast, "failed", pending]]]]]],
            [
                "$set": [
                    "hub.ended": ["$cond": [isOver, "$$NOW", "$$REMOVE"]],
                    "hub.error": [
                        "$cond": [
                            ["$eq": ["$status", "failed"]], ["$literal": .document(failure.document)], "$hub.error",
                        ]
                    ],
                ]
            ],
            ["$unset": ["hub.lease", "hub.progress"]],
        ]
    }

    /// An expired lease is a lost runner.
    static let rescue = guarded(
        lost(
            TaskFailure(
                kind: runnerLost,
                message: "\(lostLimit) attempts were lost with their runners; the task may be what kills them"
            ),
            history: historyEntry(attempt: "$hub.attempt", ["end": "$$NOW", "cause": .string(runnerLost)])
        )
    )

    package static let runnerLost = "runner-lost"

    /// - Parameters:
    ///   - horizon: As in `promoteFilter`.
    ///   - overdue: How long ago the lease must have expired.
    package static func rescueFilter(
        project: String,
        horizon: BSONDateTime,
        overdue: Duration = .zero
    ) -> BSONDocument {
        [
            "hub.lease.expires": ["$lt": .dateTime(horizon)], "status": "running", "project_name": .string(project),
            "hub.v": known,
            // An array of dates is no time; nobody can deliver the end of such a task either.
            "$expr": [
                "$and": [
                    ["$eq": [["$type": "$hub.lease.expires"], "date"]],
                    ["$lt": ["$hub.lease.expires", ["$subtract": ["$$NOW", milliseconds(overdue)]]]],
                ]
            ],
        ]
    }

    private static func milliseconds(_ duration: Duration) -> BSONValue { .int64(Int64(duration / .milliseconds(1))) }

    static func rescueLargeFilter(_ rescue: BSONDocument) -> BSONDocument {
        var filter = rescue
        filter["$expr"] = [
            "$and": [
                filter["$expr"] ?? true, ["$gte": [size, .init(smallest: TaskSpec.maximumDocumentSize - 2048)]],
            ]
        ]
        return filter
    }

    // MARK: Running without a lease

    /// TensorLayer's own runners write none. From the moment that this is seen the time counts.
    static let markUnleased = guarded([normalizeHub, ["$set": ["hub.unleased": "$$NOW"]]])

    static func unleasedFilter(project: String) -> BSONDocument {
        [
            "project_name": .string(project), "status": "running", "hub.lease": ["$not": ["$type": "object"]],
            "hub.v": known,
        ]
    }

    static func markUnleasedFilter(project: String) -> BSONDocument {
        var filter = unleasedFilter(project: project)
        filter.append("$expr", ["$ne": [["$type": "$hub.unleased"], "date"]])
        return filter
    }

    static func rescueUnleasedFilter(project: String, after time: Duration) -> BSONDocument {
        var filter = unleasedFilter(project: project)
        filter.append("hub.unleased", ["$type": "date"])
        // An array of dates passes that.
        filter.append(
            "$expr",
            [
                "$and": [
                    ["$eq": [["$type": "$hub.unleased"], "date"]],
                    ["$lt": ["$hub.unleased", ["$subtract": ["$$NOW", milliseconds(time)]]]],
                ]
            ]
        )
        return filter
    }

    /// Adoption then looks at it as at any foreign document.
    static let rescueUnleased = guarded([
        [
            "$set": [
                "status": pending, "hub.lost": ["$add": [int("$hub.lost"), 1]],
                "hub.interruptions": ["$add": [int("$hub.interruptions"), 1]],
            ]
        ],
        ["$unset": ["hub.ready", "hub.unleased", "hub.deadline"]],
    ])

    // MARK: Other times

    /// Pending for longer than its distributor would wait, and never taken: who takes it takes the deadline away.
    static let expire: BSONDocument = [
        "$set": [
            "status": "failed",
            "hub.error": [
                "kind": .string(queueDeadline), "message": "no runner took the task before its queue deadline",
            ],
        ],
        "$currentDate": ["hub.ended": true],
    ]

    package static let queueDeadline = "queue-deadline"

    package static func expireFilter(project: String, horizon: BSONDateTime) -> BSONDocument {
        [
            "hub.deadline": ["$lte": .dateTime(horizon)], "status": pending, "project_name": .string(project),
            "hub.v": known, "hub.0": isNoArray,
            "$expr": ["$lte": ["$hub.deadline", "$$NOW"]],
        ]
    }

    /// A restarted runner takes its attempts over: the lease and the history name it from now on.
    package static func takeOver(_ id: AttemptID, runner: ObjectID, lease: Duration) -> [BSONDocument] {
        guarded([
            [
                "$set": [
                    "hub.lease.runner": .objectID(runner), "hub.lease.expires": expiry(lease),
                    "hub.history": historyEntry(attempt: .init(smallest: id.number), ["runner": .objectID(runner)]),
                ]
            ]
        ])
    }
}
