import BSON
import Console
import TensorHub

/// The columns of CSV.
enum LogColumns {
    private static let fixed = ["id", "time", "task", "attempt"]
    /// The same in a table for people.
    private static let taken = Columns(fixed + ["TIME", "TASK", "ATTEMPT"])
    private static let prefix: ByteString = "value."

    /// - Parameter hasParameters: Whether columns such as `parameter.lr` stand beside them: a value of such a name is
    ///   `value.parameter.lr` then.
    static func titles(_ names: [String], hasParameters: Bool = false) -> [String] {
        fixed
            + names.map { name in
                let isLikeOurs = hasParameters && name.bytes.hasPrefix(LogParameters.prefix)
                return isLikeOurs ? prefix.text + name : title(name)
            }
    }

    /// A value that is called as one of ours is `value.task`. Hence also `value.value.task` for a value `value.task`:
    /// who takes the first `value.` away where only that and one of ours is left has the name again.
    static func title(_ name: String) -> String {
        var bare = name
        while let rest = bare.bytes.dropping(prefix) { bare = rest }
        return taken.contains(bare) ? prefix.text + name : name
    }

    static func cells(_ entry: LogEntry, _ values: [BSONValue?]) -> [String] {
        [
            entry.document["_id"]?.tableText ?? "", entry.document["time"]?.tableText ?? "",
            entry.origin?.task.description ?? "", entry.origin.map { "\($0.number)" } ?? "",
        ] + values.map { $0?.tableText ?? "" }
    }
}
