package import BSON
import MongoDriver

/// Documents of newer versions than this one.
///
/// `hub.v` says which version of this library a task needs. A runner takes, changes and fails only tasks of versions
/// that it knows. So that those it does not know cost its claims nothing, they stand elsewhere in the index:
/// `hub.ready` is a number above `version` in them. In tasks of version 1 it is true or false; in those of a version N
/// that we know it is N where they may be claimed, and N + 0.5 where they wait.
extension TaskStatements {
    /// The newest `hub.v` that this library knows. What it writes is the lowest that knows the options of the task.
    package static let version: Int32 = 2

    /// For `hub.v`: none, one that we know, or a word of another program's that is no number.
    package static let known: BSONValue = ["$not": ["$gt": .int32(version)]]

    /// For `hub.ready` of tasks that may be claimed.
    static let isReady: BSONValue = ["$in": [true, .int32(2)]]
    /// Whatever we write to `hub.ready`.
    static let marks: [BSONValue] = [true, .int32(2), false, .double(2.5)]

    /// `hub.ready` of a new task.
    static func mark(isReady: Bool, version: Int32) -> BSONValue {
        version == 1 ? .bool(isReady) : isReady ? .int32(version) : .double(Double(version) + 0.5)
    }

    /// `hub.ready` of a task that is there.
    static func mark(isReady: Bool) -> BSONValue {
        ["$cond": [isSecond, mark(isReady: isReady, version: 2), .bool(isReady)]]
    }

    /// Likewise, where an expression says whether it is ready.
    static func mark(isReady: BSONValue) -> BSONValue {
        ["$cond": [isReady, mark(isReady: true), mark(isReady: false)]]
    }

    private static let isSecond: BSONValue = ["$eq": ["$hub.v", 2]]

    /// For `hub.v`.
    package static let newer: BSONValue = ["$gt": .int32(version)]

    /// For `hub.ready` of tasks of newer versions.
    static let isMarkedNewer: BSONValue = ["$gte": .int32(version + 1)]
}

extension TaskRecord {
    /// The version of TensorHub's documents that a task needs, where this library does not know it; `nil` for all
    /// others.
    public var newerVersion: Int? {
        let ours = Double(TaskStatements.version)
        let needed = document.value(atPath: "hub.v")?.doubleValue.flatMap { $0 > ours ? $0 : nil }
        // A task of ours that waits has half more there, a newer one at least one more.
        let marked = document.value(atPath: "hub.ready")?.doubleValue.flatMap { $0 >= ours + 1 ? $0 : nil }
        guard let mark = needed ?? marked else { return nil }
        return Int(exactly: mark.rounded(.down)).map { max($0, Int(TaskStatements.version) + 1) } ?? .max
    }

    /// Whether it may be claimed, as far as we say; `nil` where no version of ours has written it.
    package var isReady: Bool? {
        switch document.value(atPath: "hub.ready") {
        case .bool(let isReady): isReady
        case let mark?: mark.doubleValue == 2 ? true : mark.doubleValue == 2.5 ? false : nil
        case nil: nil
        }
    }
}
