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
            throw .badInput("\(flag) '\(text)' is no length of time; write 90s, 30m, 1h30m or 1d")
        }
        return duration
    }

    /// `18:00` is the next one in the zone of whoever runs the command; `+2h` counts from the server's clock, by which
    /// tasks become due. What such a text means is said on standard error.
    static func time(_ text: String, _ flag: String, _ hub: Hub) async throws -> BSONDateTime {
        if let time = BSONDateTime(iso8601: text) { return time }
        let delay = text.bytes.dropping("+").flatMap { Quantity.duration($0) }
        let timeOfDay = TimeOfDay(text)
        if delay == nil && timeOfDay == nil {
            throw CommandFailure.badInput("\(flag) '\(text)' is no time; write 18:00, +2h or 2026-08-01T09:00:00Z")
        }
        let now = try await hub.database.runCommand(["hello": 1])["localTime"]?.dateTimeValue ?? .now
        var time = BSONDateTime(millisecondsSince1970: now.millisecondsSince1970)
        if let delay {
            let (sum, isTooLarge) = now.millisecondsSince1970.addingReportingOverflow(delay.wholeMilliseconds)
            if isTooLarge { throw CommandFailure.badInput("\(flag) '\(text)' is too far away; give a nearer time") }
            time = BSONDateTime(millisecondsSince1970: sum)
        } else if let next = timeOfDay?.next(after: now) {
            time = next
        }
        let name = (flag.bytes.dropping("--") ?? flag).bytes.split(separator: "-").map(\.text).joined(separator: " ")
        StandardError.line("\(name) \(time.shortLocalText) (\(time.iso8601))")
        return time
    }
}
