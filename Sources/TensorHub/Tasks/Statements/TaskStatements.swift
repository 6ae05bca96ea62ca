package import BSON

/// The update pipelines that move a task from state to state.
///
/// Rules that hold for all of them: times are the server's (`$$NOW`); a value of the caller's is wrapped in `$literal`;
/// every number that is computed with is guarded, because another program may have stored anything under our names and
/// one odd document must not make a statement over many fail.
package enum TaskStatements {
    /// The attempts that `hub.history` keeps.
    package static let historyLimit: Int32 = 50
    /// Pending tasks may go to machines again that did not have what they need.
    static func forgetLacks(project: String, hosts: [String]) -> (filter: BSONDocument, update: [BSONDocument]) {
        let names = BSONValue.array(hosts.map(BSONValue.string))
        let isOther: BSONValue = ["$not": [["$in": ["$$this.host", ["$literal": names]]]]]
        let rest: BSONValue = ["$filter": ["input": "$hub.lacks", "cond": isOther]]
        return (
            ["project_name": .string(project), "status": pending, "hub.lacks.host": ["$in": names]],
            [["$set": ["hub.lacks": ["$cond": [["$isArray": "$hub.lacks"], rest, "$hub.lacks"]]]]]
        )
    }

    /// The machines that `hub.lacks` keeps.
    static let lackLimit: Int32 = 10

    static let pending: BSONValue = "pending"

    // MARK: Into `pending`

    /// Tasks whose time has come become ready.
    package static func promote(version: Int32) -> BSONDocument {
        ["$set": ["hub.ready": mark(isReady: true, version: version)]]
    }

    /// - Parameter horizon: The server's time, estimated, a little late: it bounds the index scan; `$$NOW` decides.
    package static func promoteFilter(project: String, horizon: BSONDateTime, version: Int32) -> BSONDocument {
        [
            "status": pending, "hub.ready": mark(isReady: false, version: version),
            "hub.not_before": ["$lte": .dateTime(horizon)],
            "project_name": .string(project), "hub.hold": ["$ne": true], "hub.v": known, "hub.0": isNoArray,
            "$expr": ["$lte": ["$hub.not_before", "$$NOW"]],
        ]
    }

    static let hold: [BSONDocument] = [["$set": ["hub.hold": true, "hub.ready": mark(isReady: false)]]]

    static let unhold: [BSONDocument] = [
        ["$unset": ["hub.hold"]],
        ["$set": ["hub.ready": mark(isReady: ["$ne": [["$type": "$hub.not_before"], "date"]])]],
    ]

    static let retryByHand: [BSONDocument] = [
        [
            "$set": [
                "status": pending, "result": ["$literal": [:]], "hub.ready": mark(isReady: true), "hub.failures": 0,
                "hub.lost": 0,
            ]
        ],
        [
            "$unset": [
                "hub.lease", "hub.cancel", "hub.ended", "hub.not_before", "hub.hold", "hub.error", "hub.progress",
                "hub.avoid", "hub.lacks", "hub.unleased", "hub.deadline",
            ]
        ],
    ]

    /// Options of pending tasks.
    ///
    /// - Parameter changes: `{set: {name: value}, unset: [name], v: the version that they need}`.
    static func set(_ changes: BSONDocument) -> [BSONDocument] {
        let values = changes["set"]?.documentValue ?? [:]
        let unset = changes["unset"]?.arrayValue?.compactMap(\.stringValue) ?? []
        var fields = BSONDocument(elements: values.map { ("hub.\($0.key)", ["$literal": $0.value]) })
        fields.append("hub.v", ["$max": ["$hub.v", changes["v"] ?? 1]])
        var pipeline: [BSONDocument] = [["$set": .document(fields)]]
        if !unset.isEmpty { pipeline.append(["$unset": .array(unset.map { .string("hub.\($0)") })]) }
        let isReady: BSONValue = [
            "$and": [["$ne": ["$hub.hold", true]], ["$ne": [["$type": "$hub.not_before"], "date"]]]
        ]
        return pipeline + [["$set": ["hub.ready": mark(isReady: isReady)]]]
    }

    // MARK: Into `running`

    /// What a claim writes.
    ///
    /// - Parameters:
    ///   - name: The runner's, for the history.
    ///   - machine: What its machine is called, where that is another name.
    package static func claim(
        runner: ObjectID,
        token: ObjectID,
        name: String,
        machine: String? = nil,
        lease: Duration
    ) -> [BSONDocument] {
        var attempt: BSONDocument = [
            "attempt": "$hub.attempt", "runner": .objectID(runner), "host": ["$literal": .string(name)],
        ]
        if let machine { attempt.append("machine", ["$literal": .string(machine)]) }
        attempt.append("start", "$$NOW")
        return [
            // An array with a ready element passes the filter unadopted.
            normalizeHub,
            [
                "$set": [
                    "status": ifSound("running"),
                    "hub.attempt": ["$add": [int("$hub.attempt"), 1]],
                    "hub.started": "$$NOW",
                    "hub.lease": whole([
                        "runner": .objectID(runner), "token": .objectID(token), "expires": expiry(lease),
                    ]),
                ]
            ],
            [
                "$set": [
                    "hub.history": [
                        "$slice": [
                            [
                                "$concatArrays": [
                                    history,
                                    [.document(attempt)],
                                ]
                            ],
                            .int32(-historyLimit),
                        ]
                    ]
                ]
            ],
            // Taken in time: however often it comes back, the deadline is no longer its own.
            ["$unset": ["hub.ended", "hub.progress", "hub.not_before", "hub.unleased", "hub.deadline"]],
        ]
    }

    /// Pending and ready tasks that a runner may take.
    ///
    /// - Parameters:
    ///   - name: The runner's: tasks that failed there and are to be tried elsewhere are left to others.
    ///   - host: Its machine's: tasks that did not find there what they need are left to others.
    package static func claimFilter(
        project: String,
        names: [String],
        filter: BSONDocument,
        runner name: String? = nil,
        host: String? = nil
    ) -> BSONDocument {
        var document: BSONDocument = [
            "project_name": .string(project), "status": pending, "hub.ready": isReady, "hub.v": known,
            // Nobody could deliver the end of any other.
            "_id": ["$type": "objectId"],
        ]
        if !names.isEmpty { document.append("task_name", TaskSelection.oneOf(names.map(BSONValue.string))) }
        if let name { document.append("hub.avoid", ["$ne": .string(name)]) }
        if let host { document.append("hub.lacks.host", ["$ne": .string(host)]) }
        if !filter.isEmpty { document.append("$and", [.document(filter)]) }
        return document
    }

    /// Higher priority first, then the oldest.
    package static let claimOrder: BSONDocument = ["hub.priority": -1, "time": 1, "_id": 1]

    package static func renew(_ lease: Duration) -> [BSONDocument] {
        guarded([["$set": ["hub.lease.expires": expiry(lease)]]])
    }

    // MARK: Out of `running`

    /// The task as it must still be for what is written of that attempt to count.
    package static func fence(_ id: AttemptID, runner: ObjectID) -> BSONDocument {
        [
            "_id": .objectID(id.task), "status": "running", "hub.attempt": .init(smallest: id.number),
            "hub.lease.runner": .objectID(runner),
        ]
    }

    /// For a document in which nothing more finds room.
    static let failMinimally: [BSONDocument] = [
        ["$set": ["status": "failed"]], ["$unset": ["hub.lease", "hub.progress"]],
    ]

    /// What an attempt's end writes: state, result, history and times at once.
    package static func end(_ end: AttemptEnd) -> [BSONDocument] {
        var set: BSONDocument = [
            "status": .string(end.status.rawValue),
            "hub.history": historyEntry(attempt: .init(smallest: end.id.number), end.historyEntry),
        ]
        var unset: [BSONValue] = ["hub.lease", "hub.progress"]
        if end.status == .pending {
            // Somebody has cancelled it meanwhile: the script is dead, so it is not run again.
            set["status"] = ["$cond": [isCancelRequested, "cancelled", pending]]
            set.append("hub.ended", ["$cond": [isCancelRequested, "$$NOW", "$$REMOVE"]])
        }
        switch end.transition {
        case .minimalFailure:
            return failMinimally
        case .lost(let failure):
            return lost(failure, history: set["hub.history"] ?? history)
        case .finish(let result):
            unset.append("hub.cancel")
            set.append("result", ["$literal": .document(result)])
            set.append("hub.ended", "$$NOW")
            unset += ["hub.error", "hub.checkpoint"]
        case .fail(let failure):
            unset.append("hub.cancel")
            set.append("hub.failures", ["$add": [int("$hub.failures"), 1]])
            set.append("hub.error", ["$literal": .document(failure.document)])
            set.append("hub.ended", "$$NOW")
        case .retry(let failure, let delay, let avoided):
            set.append("hub.failures", ["$add": [int("$hub.failures"), 1]])
            set.append("hub.error", ["$literal": .document(failure.document)])
            set.append("hub.ready", mark(isReady: delay == .zero))
            if delay != .zero { set.append("hub.not_before", expiry(delay)) }
            if let avoided { set.append("hub.avoid", joined("$hub.avoid", avoided)) }
        case .elsewhere(let failure, let lack):
            set.append("hub.interruptions", ["$add": [int("$hub.interruptions"), 1]])
            set.append("hub.error", ["$literal": .document(failure.document)])
            set.append("hub.ready", mark(isReady: true))
            let known: BSONValue = ["$cond": [["$isArray": "$hub.lacks"], "$hub.lacks", []]]
            let all: BSONValue = ["$concatArrays": [known, [["$literal": .document(lack.document)]]]]
            set.append("hub.lacks", ["$slice": [all, .int32(-lackLimit)]])
        case .release(let delay):
            set.append("hub.interruptions", ["$add": [int("$hub.interruptions"), 1]])
            set.append("hub.ready", mark(isReady: delay == nil))
            if let delay { set.append("hub.not_before", expiry(delay)) }
        case .cancelled:
            set.append("hub.ended", "$$NOW")
        }
        return [["$set": .document(set)], ["$unset": .array(unset)]]
    }

    /// Pending: cancelled. Running under a lease: the runner is told. Running without one: cancelled.
    static func cancel(by: String?, reason: String?) -> [BSONDocument] {
        var request: BSONDocument = ["time": "$$NOW"]
        if let by { request.append("by", ["$literal": .string(by)]) }
        if let reason { request.append("reason", ["$literal": .string(reason)]) }
        let isLeased: BSONValue = [
            "$and": [
                ["$eq": ["$status", "running"]], ["$eq": [["$type": "$hub.lease"], "object"]],
            ]
        ]
        return [
            ["$set": ["hub.cancel": whole(.document(request))]],
            [
                "$set": [
                    "hub.ended": ["$cond": [isLeased, "$$REMOVE", "$$NOW"]],
                    "status": ["$cond": [isLeased, "running", "cancelled"]],
                ]
            ],
        ]
    }

    // MARK: Parts

    /// A tag of somebody's under our name, of another type, is kept aside.
    static let normalizeHub: BSONDocument = [
        "$set": [
            "hub": [
                "$cond": [
                    ["$eq": [["$type": "$hub"], "object"]], "$hub",
                    ["$cond": [["$eq": [["$type": "$hub"], "missing"]], [:], ["replaced": "$hub"]]],
                ]
            ]
        ]
    ]

    /// The object in place of whatever is there; `$set` alone would merge, or write into each element of an array.
    private static func whole(_ object: BSONValue) -> BSONValue { ["$mergeObjects": [object]] }

    static let isCancelRequested: BSONValue = ["$eq": [["$type": "$hub.cancel"], "object"]]

    static let size: BSONValue = ["$bsonSize": "$$ROOT"]

    /// For `hub.0`: update operators refuse to change fields of an array, pipelines change those of each element.
    static let isNoArray: BSONValue = ["$exists": false]

    /// The number as int32, or another where it is none or does not fit.
    static func int(_ path: BSONValue, else other: BSONValue = 0) -> BSONValue {
        [
            "$cond": [
                ["$isNumber": path],
                ["$convert": ["input": path, "to": "int", "onError": other, "onNull": other]], other,
            ]
        ]
    }

    static func expiry(_ lease: Duration) -> BSONValue {
        ["$add": ["$$NOW", .int64(Int64(lease / .milliseconds(1)))]]
    }

    static let history: BSONValue = ["$cond": [["$isArray": "$hub.history"], "$hub.history", []]]

    /// The history with fields added to the entry of that attempt.
    static func historyEntry(attempt: BSONValue, _ fields: BSONDocument) -> BSONValue {
        [
            "$map": [
                "input": history,
                "as": "entry",
                "in": [
                    "$cond": [
                        [
                            "$and": [
                                ["$eq": [["$type": "$$entry"], "object"]],
                                ["$eq": ["$$entry.attempt", attempt]],
                            ]
                        ],
                        ["$mergeObjects": ["$$entry", .document(fields)]],
                        "$$entry",
                    ]
                ],
            ]
        ]
    }

    /// The array with one more text, once; anything else there is replaced.
    private static func joined(_ path: BSONValue, _ text: String) -> BSONValue {
        ["$setUnion": [["$cond": [["$isArray": path], path, []]], [["$literal": .string(text)]]]]
    }
}
