import BSON
import Console
import MongoDriver
import Settings
import TensorHub

extension Submit {
    static func duration(_ text: String?, _ flag: String) throws(CommandFailure) -> Duration? {
        guard let text else { return nil }
        guard let duration = Quantity.duration(text) else {
            throw .badInput("\(flag) '\(text)' is no length of time; write 90s, 30m, 2h or 1d")
        }
        return duration
    }

    /// `+2h` counts from the server's clock, by which tasks become due.
    static func time(_ text: String, _ flag: String, _ hub: Hub) async throws -> BSONDateTime {
        if let time = BSONDateTime(iso8601: text) { return time }
        guard let delay = text.bytes.dropping("+").flatMap({ Quantity.duration($0) }) else {
            throw CommandFailure.badInput("\(flag) '\(text)' is no time; write 2026-08-01T09:00:00Z or +2h")
        }
        let now = try await hub.database.runCommand(["hello": 1])["localTime"]?.dateTimeValue ?? .now
        return BSONDateTime(millisecondsSince1970: now.millisecondsSince1970 + Int64(delay / .milliseconds(1)))
    }

    /// `PATH` or `PATH=NAME`; a file whose own name has an equals sign is found whole first.
    static func file(_ text: String) throws(CommandFailure) -> TaskFile {
        var path = text
        var name: String?
        if let (before, behind) = text.bytes.cut(atLast: "="), !InputFile.exists(text) {
            (path, name) = (before, behind)
        }
        let file = try InputFile(path, role: "file", limit: TaskSpec.maximumDocumentSize)
        let own = path.bytes.split(separator: "/").last?.text ?? path
        return TaskFile(path: name ?? own, mode: file.mode, data: file.bytes)
    }
}
