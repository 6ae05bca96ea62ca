import BSON
import Console
import MongoDriver
import Settings
import TensorHub

/// Lengths and points of time as people write them to flags.
enum WrittenTime {
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
}
