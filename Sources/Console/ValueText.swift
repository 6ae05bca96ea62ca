package import BSON
import TensorHub

extension BSONValue {
    /// As people read it in a table: texts without quotes, everything nested as JSON.
    package var tableText: String {
        switch self {
        case .string(let text), .symbol(let text): text
        case .double(let number): number.isNaN ? "NaN" : "\(number)"
        case .objectID(let id): id.description
        case .dateTime(let time): time.description
        case .decimal128(let number): number.description
        default: extendedJSON()
        }
    }
}

extension BSONDocument {
    /// `lr=0.1 n=3`.
    package var tableText: String {
        map { "\($0.key)=\($0.value.tableText)" }.joined(separator: " ")
    }
}

extension [BSONDocument] {
    /// A JSON array with an element a line: one document for a parser, and still something for `grep`.
    package var jsonLines: String {
        isEmpty ? "[]\n" : "[\n" + map { $0.extendedJSON() }.joined(separator: ",\n") + "\n]\n"
    }
}

extension Duration {
    /// Exact, where a quotient of durations is one millisecond less now and then.
    package var wholeMilliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }

    /// `850ms`, `12s`, `3m12s`, `2h05m`, `4d03h`.
    package var shortText: String {
        let milliseconds = wholeMilliseconds
        if milliseconds < 1000 { return "\(Swift.max(0, milliseconds))ms" }
        let seconds = milliseconds / 1000
        func pair(_ large: Int64, _ unit: String, _ small: Int64, _ smallUnit: String) -> String {
            "\(large)\(unit)\(small < 10 ? "0" : "")\(small)\(smallUnit)"
        }
        switch seconds {
        case ..<60: return "\(seconds)s"
        case ..<3600: return pair(seconds / 60, "m", seconds % 60, "s")
        case ..<86_400: return pair(seconds / 3600, "h", seconds / 60 % 60, "m")
        default: return pair(seconds / 86_400, "d", seconds / 3600 % 24, "h")
        }
    }
}

extension BSONDateTime {
    /// How long it is from another time to this one.
    package func since(_ start: BSONDateTime) -> Duration {
        let (difference, overflow) = millisecondsSince1970.subtractingReportingOverflow(start.millisecondsSince1970)
        return .milliseconds(overflow ? 0 : difference)
    }

    /// `3m12s ago`.
    package func ago(_ now: BSONDateTime = .now) -> String { "\(now.since(self).shortText) ago" }
}

/// `1 task`, `3 tasks`, `2 entries`.
package func counted(_ count: Int, _ word: String, _ several: String? = nil) -> String {
    "\(count) \(count == 1 ? word : several ?? word + "s")"
}
