package import BSON
import MongoDriver

/// Documents of newer versions than this one.
///
/// `hub.v` says which version of this library a task needs. A runner takes, changes and fails only tasks of versions
/// that it knows. So that those it does not know cost its claims nothing, they stand elsewhere in the index:
/// `hub.ready` is a number above `version` in them, where ours is true or false.
extension TaskStatements {
    /// The newest `hub.v` that this library knows, and the one that it writes.
    package static let version: Int32 = 1

    /// For `hub.v`: none, one that we know, or a word of another program's that is no number.
    package static let known: BSONValue = ["$not": ["$gt": .int32(version)]]

    /// For `hub.v`.
    package static let newer: BSONValue = ["$gt": .int32(version)]
}

extension TaskRecord {
    /// The version of TensorHub's documents that a task needs, where this library does not know it; `nil` for all
    /// others.
    public var newerVersion: Int? {
        let marks = ["hub.v", "hub.ready"].compactMap { document.value(atPath: $0)?.doubleValue }
        guard let mark = marks.first(where: { $0 > Double(TaskStatements.version) }) else { return nil }
        // A task of version 2 that waits has 2.5 there.
        return Int(exactly: mark.rounded(.down)).map { max($0, Int(TaskStatements.version) + 1) } ?? .max
    }
}
