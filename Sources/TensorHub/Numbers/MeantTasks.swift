public import BSON

/// The tasks that references mean, of one project.
public struct MeantTasks: Sendable {
    /// What a range or a word stands for, so that people see it before something is changed.
    public struct Meaning: Sendable, Hashable {
        public var reference: TaskReference
        /// From the first task to the last one.
        public var numbers: ClosedRange<Int>
        /// How many there are in a range; a submit's are not counted.
        public var count: Int?
        /// When a submit was made, by the server's clock.
        public var time: BSONDateTime?
    }

    /// Never all tasks, unless there was no reference.
    public internal(set) var selection = TaskSelection()
    public internal(set) var meanings: [Meaning] = []
}
