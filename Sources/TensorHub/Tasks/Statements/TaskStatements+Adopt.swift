package import BSON

/// Documents of other programs, and of none: they become ours, or fail with the reason.
extension TaskStatements {
    /// Foreign documents become ours, or `failed` with the reason where they cannot be run. Its filter: `adoptFilter`.
    static let adopt: [BSONDocument] = guarded([
        normalizeHub,
        ["$set": ["hub.error": ["$switch": ["branches": .array(rejections), "default": "$$REMOVE"]]]],
        [
            "$set": [
                "status": ["$cond": [isRejected, "failed", "pending"]],
                "time": keep("$time", ifType: "date", else: "$$NOW"),
                "hub.ended": ["$cond": [isRejected, "$$NOW", "$$REMOVE"]],
                "hub.v": ["$cond": [["$eq": ["$hub.v", 2]], 2, 1]],
                "hub.ready": mark(
                    isReady: [
                        "$and": [["$ne": ["$hub.hold", true]], ["$ne": [["$type": "$hub.not_before"], "date"]]]
                    ]
                ),
                "hub.hold": keep("$hub.hold", ifType: "bool"),
                "hub.not_before": keep("$hub.not_before", ifType: "date"),
                "hub.priority": int("$hub.priority"),
                "hub.attempt": int("$hub.attempt"),
                "hub.max_failures": ["$max": [1, int("$hub.max_failures", else: .int32(TaskSpec.defaultMaxFailures))]],
                "hub.failures": int("$hub.failures"),
                "hub.interruptions": int("$hub.interruptions"),
                "hub.lost": int("$hub.lost"),
            ]
        ],
        ["$unset": ["hub.lease", "hub.cancel", "hub.unleased"]],
    ])

    /// The same, with numbers in the order of the identifiers.
    ///
    /// - Parameter first: The first number; `nil` gives none.
    static func adopt(_ ids: [BSONValue], from first: Int?) -> [BSONDocument] {
        guard let first else { return adopt }
        let place: BSONValue = ["$indexOfArray": [["$literal": .array(ids)], "$_id"]]
        return adopt + [["$set": ["hub.number": ["$add": [.int64(Int64(first)), place]]]]]
    }

    /// Changes nothing: that it matches says that there is a foreign document.
    static let noticeForeign: BSONDocument = ["$set": ["status": pending]]

    /// What `hub.ready` is in documents that no version of ours has written: neither true nor false, nor the mark of a
    /// newer one.
    private static let foreign: BSONValue = [
        "$nin": .array(marks), "$not": ["$gt": .int32(version)],
    ]

    /// Pending documents that no version of ours has written. Those that have no room for our fields are left to
    /// `failLarge`.
    package static func adoptFilter(project: String) -> BSONDocument {
        [
            "project_name": .string(project), "status": pending, "hub.ready": foreign, "hub.v": known,
            "$expr": ["$lt": [size, .init(smallest: TaskSpec.maximumDocumentSize - 2048)]],
        ]
    }

    /// One document that is too large to be changed would stop every statement over many: nothing fits into it but the
    /// word `failed`, which is shorter than `pending`.
    package static let failLarge: BSONDocument = ["$set": ["status": "failed"]]

    /// - Parameter ready: Whether it is about documents that pass for ready or about foreign ones.
    package static func failLargeFilter(project: String, ready: Bool) -> BSONDocument {
        [
            "project_name": .string(project), "status": pending, "hub.ready": ready ? isReady : foreign, "hub.v": known,
            "$expr": ["$gte": [size, .init(smallest: TaskSpec.maximumDocumentSize - (ready ? 32_768 : 2048))]],
        ]
    }

    private static let isRejected: BSONValue = ["$eq": [["$type": "$hub.error"], "object"]]

    /// Why a foreign document cannot be run, the first reason that holds.
    private static let rejections: [BSONValue] = [
        rejection(
            ["$gt": [size, .init(smallest: TaskSpec.maximumTaskSize)]],
            "the document",
            "must have at most \(TaskSpec.maximumTaskSize) bytes"
        ),
        rejection(["$ne": [["$type": "$_id"], "objectId"]], "_id", "must be an ObjectId"),
        rejection(["$eq": [["$type": "$script"], "missing"]], "script", "is missing"),
        rejection(["$ne": [["$type": "$script"], "binData"]], "script", "must be binary"),
        rejection(["$eq": [["$binarySize": binary("$script")], 0]], "script", "is empty"),
        rejection(
            ["$not": [["$in": [["$type": "$hyper_parameters"], ["object", "missing"]]]]],
            "hyper_parameters",
            "must be an object"
        ),
        rejection(
            ["$not": [["$in": [["$type": "$saved_result_keys"], ["array", "missing"]]]]],
            "saved_result_keys",
            "must be an array of strings"
        ),
        rejection(
            [
                "$anyElementTrue": [
                    [
                        "$map": [
                            "input": ["$cond": [["$isArray": "$saved_result_keys"], "$saved_result_keys", []]],
                            "as": "key", "in": ["$ne": [["$type": "$$key"], "string"]],
                        ]
                    ]
                ]
            ],
            "saved_result_keys",
            "must be an array of strings"
        ),
        rejection(
            ["$not": [["$in": [["$type": "$hub.interpreter"], ["string", "missing"]]]]],
            "hub.interpreter",
            "must be a string"
        ),
        rejection(
            ["$not": [["$in": [["$type": "$hub.files"], ["array", "missing"]]]]],
            "hub.files",
            "must be an array of files"
        ),
    ]

    private static func rejection(_ condition: BSONValue, _ field: String, _ demand: String) -> BSONValue {
        [
            "case": condition,
            "then": [
                "kind": .string(cannotRun),
                "message": .string("the task cannot be run: \(field) \(demand)"),
            ],
        ]
    }

    /// The value where it is binary, else a byte: `$binarySize` fails on other types.
    private static func binary(_ path: BSONValue) -> BSONValue {
        ["$cond": [["$eq": [["$type": path], "binData"]], path, .binary(BSONBinary(bytes: [0]))]]
    }

    private static func keep(_ path: BSONValue, ifType type: BSONValue, else other: BSONValue = "$$REMOVE") -> BSONValue
    {
        ["$cond": [["$eq": [["$type": path], type]], path, other]]
    }
}
