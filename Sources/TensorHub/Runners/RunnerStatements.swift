import BSON

/// The statements about collection `Runner`. The rules of `TaskStatements` hold here too: the server's clock,
/// `$literal` around every value of the caller's, and no odd document that makes a statement over many fail.
enum RunnerStatements {
    /// A runner that has been silent for so many of its leases is lost.
    static let lostAfterLeases: Double = 2
    /// Milliseconds after which the document of a lost predecessor goes.
    static let predecessorAge: Int64 = 86_400_000
    /// Milliseconds after which the document of any lost runner goes.
    static let anyAge: Int64 = 30 * 86_400_000

    /// The documents of runners; anything else in the collection is somebody else's.
    static func filter(project: String) -> BSONDocument {
        ["project": .string(project), "_id": ["$type": "objectId"]]
    }

    /// Runners that can be asked for something.
    static func filter(_ selection: RunnerSelection, project: String) -> BSONDocument {
        var filter = filter(project: project)
        if !selection.ids.isEmpty { filter["_id"] = TaskSelection.oneOf(selection.ids.map(BSONValue.objectID)) }
        if !selection.names.isEmpty {
            filter.append("name", TaskSelection.oneOf(selection.names.map(BSONValue.string)))
        }
        filter.append("state", ["$ne": .string(RunnerRecord.State.stopped.rawValue)])
        return filter
    }

    /// What is read of a runner: its document, for how long it has been silent (milliseconds), whether it is lost.
    static let read: [BSONDocument] = [
        ["$project": ["document": "$$ROOT", "silence": silence]],
        [
            "$set": [
                "lost": [
                    "$and": [
                        ["$ne": ["$document.state", .string(RunnerRecord.State.stopped.rawValue)]],
                        // Without a heartbeat: null is less than any number.
                        [
                            "$or": [
                                ["$eq": ["$silence", .null]],
                                ["$gt": ["$silence", ["$multiply": [lease, .double(lostAfterLeases * 1000)]]]],
                            ]
                        ],
                    ]
                ]
            ]
        ],
    ]

    /// By way of doubles: the difference of two odd dates is an error of the server's.
    private static let silence: BSONValue = [
        "$cond": [
            ["$eq": [["$type": "$heartbeat"], "date"]],
            ["$subtract": [["$toDouble": "$$NOW"], ["$toDouble": "$heartbeat"]]], .null,
        ]
    ]

    private static let lease: BSONValue = [
        "$convert": [
            "input": ["$cond": [["$isNumber": "$document.lease"], "$document.lease", .null]],
            "to": "double", "onError": 60, "onNull": 60,
        ]
    ]

    /// A sign of life: the whole document, made where there is none. What was asked of the runner stays.
    static func beat(_ beat: RunnerBeat, of session: RunnerSession) -> [BSONDocument] {
        let running = beat.running.map { BSONValue.document($0.document) }
        var set: BSONDocument = [
            "host": literal(.string(beat.host)), "name": literal(.string(session.name)), "pid": .int32(beat.pid),
            "version": literal(.string(beat.version)), "project": literal(.string(session.hub.project)),
            "slots": .int32(Int32(clamping: beat.slots)), "labels": literal(.document(beat.labels)),
            "state": literal(.string(beat.state.rawValue)),
            "started": ["$cond": [["$eq": [["$type": "$started"], "date"]], "$started", "$$NOW"]],
            "heartbeat": "$$NOW", "lease": .double(session.lease / .seconds(1)), "query": literal(.string(beat.query)),
            "running": literal(.array(running)), "done": .int64(Int64(beat.done)),
            "blocked": .int32(Int32(clamping: beat.blocked)),
        ]
        if let refused = beat.refused {
            let all = refused.map { BSONValue.document($0.document) }
            set.append("refused", refused.isEmpty ? "$$REMOVE" : literal(.array(all)))
        }
        if beat.damaged > 0 { set.append("damaged", .int32(Int32(clamping: beat.damaged))) }
        let lacks = beat.lacks.map { BSONValue.document($0.document) }
        set.append("lacks", lacks.isEmpty ? "$$REMOVE" : literal(.array(lacks)))
        if let control = beat.control {
            set.append(
                "control",
                [
                    "$cond": [
                        ["$eq": [["$type": "$control"], "object"]], "$control", literal(.document(control.document)),
                    ]
                ]
            )
        }
        return TaskStatements.guardedAtTop([["$set": .document(set)]])
    }

    /// Asks for something: the whole object in place of whatever is there.
    static func request(_ request: RunnerControl.Request, deadline: Duration?, by: String?, reason: String? = nil)
        -> [BSONDocument]
    {
        var control: BSONDocument = ["state": .string(request.rawValue)]
        if let deadline {
            control.append("deadline", ["$add": ["$$NOW", .int64(Int64(deadline / .milliseconds(1)))]])
        }
        control.append("time", "$$NOW")
        if let by { control.append("by", literal(.string(by))) }
        if let reason { control.append("reason", literal(.string(reason))) }
        return TaskStatements.guardedAtTop([["$set": ["control": ["$mergeObjects": [.document(control)]]]]])
    }

    /// Documents that nobody needs once that runner has started: those of its predecessors, and very old ones.
    ///
    /// - Parameter dead: Predecessors whose processes are gone.
    static func outdated(by session: RunnerSession, host: String, dead: [ObjectID]) -> BSONDocument {
        [
            "_id": ["$type": "objectId", "$ne": .objectID(session.runner)], "heartbeat": ["$type": "date"],
            "$or": [
                ["$expr": isOlder(than: anyAge)],
                [
                    "project": .string(session.hub.project), "host": .string(host), "name": .string(session.name),
                    "$or": [
                        ["state": .string(RunnerRecord.State.stopped.rawValue)],
                        ["_id": ["$in": .array(dead.map(BSONValue.objectID))]],
                        ["$expr": isOlder(than: predecessorAge)],
                    ],
                ],
            ],
        ]
    }

    private static func isOlder(than milliseconds: Int64) -> BSONValue {
        ["$lt": ["$heartbeat", ["$subtract": ["$$NOW", .int64(milliseconds)]]]]
    }

    private static func literal(_ value: BSONValue) -> BSONValue { ["$literal": value] }
}
