package import BSON

/// What the scripts wrote of themselves, whatever the runners and the database say.
///
/// Each line is one write to the end of the file, so the order of the lines is the order of what happened, on whichever
/// side of a fault it did. Lines, with the times of the clock that begins at boot:
/// ```
/// start  <task> <attempt> <nanoseconds> <pid>
/// beside <task> <attempt> <nanoseconds> <pid> <other attempt>     as it began, the other's process was alive
/// harm   <task> <attempt> <nanoseconds> <pid>                     it has done to its attempt what it is there for
/// end    <task> <attempt> <nanoseconds> <pid>
/// ```
package struct ScriptRecord: Sendable, Equatable {
    package enum Event: String, Sendable {
        case start, beside, harm, end
    }

    package struct Line: Sendable, Equatable {
        package var event: Event
        package var task: ObjectID
        package var attempt: Int
        package var nanoseconds: Int64
        package var pid: Int32
        /// The other attempt of the task that was alive; of `beside` alone.
        package var other: Int?
    }

    package private(set) var lines: [Line] = []
    /// What is no line of a script's: the record itself cannot be trusted then.
    package private(set) var damaged: [String] = []

    package init(parsing text: some StringProtocol = "") {
        for text in text.split(separator: "\n" as Character) {
            if let line = Line(text.split(separator: " " as Character).map { String($0) }) {
                lines.append(line)
            } else {
                damaged.append(String(text))
            }
        }
    }

    /// The lines of one attempt, or of all of a task, in order.
    package func lines(of task: ObjectID, attempt: Int? = nil) -> [Line] {
        lines.filter { $0.task == task && (attempt == nil || $0.attempt == attempt) }
    }
}

extension ScriptRecord.Line {
    fileprivate init?(_ words: [String]) {
        guard words.count >= 5, let event = ScriptRecord.Event(rawValue: words[0]), let task = ObjectID(words[1]),
            let attempt = Int(words[2]), let nanoseconds = Int64(words[3]), let pid = Int32(words[4]),
            words.count == (event == .beside ? 6 : 5)
        else { return nil }
        self.init(event: event, task: task, attempt: attempt, nanoseconds: nanoseconds, pid: pid, other: nil)
        if event == .beside {
            guard let other = Int(words[5]) else { return nil }
            self.other = other
        }
    }
}
