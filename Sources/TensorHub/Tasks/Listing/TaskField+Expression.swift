import BSON

/// What a field is to the server: an expression of an aggregation. What is not there is missing, not null.
extension TaskField {
    var expression: BSONValue {
        switch place {
        case .own(let own): Self.expression(own)
        case .path(let path): .string("$\(path)")
        case .firstOf(let paths):
            paths.dropLast().reversed().reduce(.string("$\(paths.last ?? "")")) { rest, path in
                ["$cond": [["$ne": [["$type": .string("$\(path)")], "missing"]], .string("$\(path)"), rest]]
            }
        }
    }

    private static func expression(_ own: Own) -> BSONValue {
        switch own {
        case .id: "$_id"
        case .number: "$hub.number"
        case .name: "$task_name"
        case .state: "$status"
        case .attempt: "$hub.attempt"
        case .time: "$time"
        case .started: "$hub.started"
        case .ended: "$hub.ended"
        case .parameters: "$hyper_parameters"
        case .result: "$result"
        case .age: seconds(from: "$time", to: "$$NOW")
        case .duration: duration
        case .host: ofLatestAttempt(["$ifNull": ["$$last.machine", "$$last.host"]])
        case .runner: ofLatestAttempt("$$last.host")
        case .script: ["script": "$script", "command": "$hub.command"]
        case .failure:
            [
                "$cond": [
                    ["$eq": ["$status", .string(TaskStatus.failed.rawValue)]], TaskFailure.reasonExpression, "$$REMOVE",
                ]
            ]
        case .tags: "$$REMOVE"
        }
    }

    /// Seconds of the latest attempt, until now where it runs.
    static var duration: BSONValue {
        let end: BSONValue = [
            "$cond": [
                ["$eq": ["$status", .string(TaskStatus.running.rawValue)]], "$$NOW",
                ["$ifNull": ["$hub.ended", ofLatestAttempt("$$last.end")]],
            ]
        ]
        return ["$let": ["vars": ["end": end], "in": seconds(from: "$hub.started", to: "$$end")]]
    }

    /// By way of doubles: the difference of two odd dates is an error of the server's.
    private static func seconds(from start: BSONValue, to end: BSONValue) -> BSONValue {
        func isDate(_ value: BSONValue) -> BSONValue { ["$eq": [["$type": value], "date"]] }
        return [
            "$cond": [
                ["$and": [isDate(start), isDate(end)]],
                ["$divide": [["$subtract": [["$toDouble": end], ["$toDouble": start]]], 1000]], "$$REMOVE",
            ]
        ]
    }

    /// - Parameter value: Of `$$last`, the latest attempt in the history.
    private static func ofLatestAttempt(_ value: BSONValue) -> BSONValue {
        let history: BSONValue = ["$cond": [["$isArray": "$hub.history"], "$hub.history", []]]
        return ["$let": ["vars": ["last": ["$arrayElemAt": [history, -1]]], "in": value]]
    }
}

/// The fields of a document of a task's with those one level down, for the server.
enum TaskPairs {
    /// An array of `{k, v}`, the names as `optimizer.lr`; a dot within a key has a backslash. Empty where the path
    /// leads to no document.
    static func of(_ path: String) -> BSONValue {
        let name = escaped("$$this.k")
        let inner: BSONValue = [
            "$map": [
                "input": ["$objectToArray": "$$this.v"], "as": "inner",
                "in": ["k": ["$concat": [name, ".", escaped("$$inner.k")]], "v": "$$inner.v"],
            ]
        ]
        let isFolder: BSONValue = ["$and": [isDocument("$$this.v"), ["$ne": ["$$this.v", [:]]]]]
        let pairs: BSONValue = ["$cond": [isFolder, inner, [["k": name, "v": "$$this.v"]]]]
        let fields: BSONValue = ["$objectToArray": ["$cond": [isDocument(.string(path)), .string(path), [:]]]]
        return ["$reduce": ["input": fields, "initialValue": [], "in": ["$concatArrays": ["$$value", pairs]]]]
    }

    private static func isDocument(_ value: BSONValue) -> BSONValue { ["$eq": [["$type": value], "object"]] }

    private static func escaped(_ key: BSONValue) -> BSONValue {
        func replaced(_ text: BSONValue, _ mark: String) -> BSONValue {
            ["$replaceAll": ["input": text, "find": .string(mark), "replacement": .string("\\\(mark)")]]
        }
        return replaced(replaced(key, "\\"), ".")
    }
}
