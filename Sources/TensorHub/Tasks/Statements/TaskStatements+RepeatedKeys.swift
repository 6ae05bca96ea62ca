package import BSON

/// Documents with a key twice. BSON allows them, any program can write one, and MongoDB 6.0 aborts, again after every
/// restart, when an update pipeline changes such a key. So the pipelines fail on them beforehand, with an error of the
/// server's; update operators, which MongoDB carries out in another way, do them no harm.
extension TaskStatements {
    /// What the server says where a `$switch` finds no branch that holds.
    static let repeatedKeyCode = 40066

    /// Whether a key is there twice wherever one of our pipelines may change something: at the top, in `hub` and in
    /// what we keep there, in `result`.
    package static let hasRepeatedKey: BSONValue = anyRepeats(
        [
            "$concatArrays": [
                [
                    "$$ROOT", "$hub", "$hub.lease", "$hub.cancel", "$hub.progress", "$hub.error", "$hub.checkpoint",
                    "$result",
                ],
                ["$cond": [["$isArray": "$hub.history"], "$hub.history", []]],
                ["$cond": [["$isArray": "$hub.checkpoint.files"], "$hub.checkpoint.files", []]],
            ]
        ]
    )

    /// The pipeline, and before it a stage that fails where a key is there twice. The server takes as long to read that
    /// stage as a third of a claim: for whatever is not done for each task.
    package static func guarded(_ pipeline: [BSONDocument]) -> [BSONDocument] {
        [["$replaceWith": onlyIf(["$not": [hasRepeatedKey]], "$$ROOT")]] + pipeline
    }

    /// The same for documents of which only the keys at the top may be there twice.
    static func guardedAtTop(_ pipeline: [BSONDocument]) -> [BSONDocument] {
        [["$replaceWith": onlyIf(["$eq": ["$$ROOT", ["$mergeObjects": ["$$ROOT"]]]], "$$ROOT")]] + pipeline
    }

    /// The value, where each key at the top and in `hub`, an object, is there once; else an error. Ten times as fast as
    /// `guarded`: merging keeps one of each key, and what is merged is compared with what was there.
    static func ifSound(_ value: BSONValue) -> BSONValue {
        onlyIf(["$eq": ["$$ROOT", ["$mergeObjects": ["$$ROOT", ["hub": ["$mergeObjects": ["$hub"]]]]]]], value)
    }

    private static func onlyIf(_ condition: BSONValue, _ value: BSONValue) -> BSONValue {
        ["$switch": ["branches": [["case": condition, "then": value]]]]
    }

    private static func anyRepeats(_ objects: BSONValue) -> BSONValue {
        let repeats: BSONValue = [
            "$let": [
                "vars": ["fields": ["$objectToArray": "$$object"]],
                "in": ["$ne": [["$size": "$$fields"], ["$size": ["$setUnion": ["$$fields.k"]]]]],
            ]
        ]
        let isObject: BSONValue = ["$eq": [["$type": "$$object"], "object"]]
        return [
            "$anyElementTrue": [
                ["$map": ["input": objects, "as": "object", "in": ["$cond": [isObject, repeats, false]]]]
            ]
        ]
    }

    /// What ends a task that has a key twice: operators, no pipeline. Of a key that is there twice they change, and
    /// everybody reads, the first.
    static func putAside(_ status: TaskStatus, repeatedKey key: String) -> BSONDocument {
        let message =
            "the task cannot be run: it has the key '\(key)' twice; submit it again with each key once, and delete this one"
        return [
            "$set": [
                "status": .string(status.rawValue),
                "hub.error": .document(TaskFailure(kind: cannotRun, message: message).document),
            ],
            "$currentDate": ["hub.ended": true], "$unset": ["hub.lease": ""],
        ]
    }

    static let cannotRun = "cannot-run"
}

extension TaskRecord {
    /// A key that is there twice, as a dotted path; looked for where `TaskStatements.hasRepeatedKey` looks.
    package var repeatedKey: String? {
        if let key = document.repeatedKey { return key }
        let paths = ["hub", "hub.lease", "hub.cancel", "hub.progress", "hub.error", "hub.checkpoint", "result"]
        for path in paths {
            if let key = document.value(atPath: path)?.documentValue?.repeatedKey { return "\(path).\(key)" }
        }
        for path in ["hub.history", "hub.checkpoint.files"] {
            for entry in document.value(atPath: path)?.arrayValue ?? [] {
                if let key = entry.documentValue?.repeatedKey { return "\(path).\(key)" }
            }
        }
        return nil
    }
}
