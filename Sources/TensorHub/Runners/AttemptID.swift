public import BSON

/// One attempt of one task. What an attempt writes names it by `hub.task` and `hub.attempt`.
public struct AttemptID: Sendable, Hashable, CustomStringConvertible {
    public var task: ObjectID
    /// Counts the attempts of the task from 1; the fencing token.
    public var number: Int

    public init(task: ObjectID, number: Int) {
        self.task = task
        self.number = number
    }

    /// From the fields `task` and `attempt`.
    init?(_ document: BSONDocument) {
        guard let task = document["task"]?.objectIDValue, let number = document["attempt"]?.intValue else { return nil }
        self.init(task: task, number: number)
    }

    package var document: BSONDocument { ["task": .objectID(task), "attempt": .init(smallest: number)] }

    /// As the attempt's directory is called.
    public var description: String { "\(task).\(number)" }
}
