import BSON

/// Rows as comma-separated values (RFC 4180, lines ended by LF).
///
/// A text with control characters other than tabs and line ends is written as JSON, in quotation marks with escapes,
/// since many readers end at a NUL. So is one that begins with a quotation mark: what begins with one is always JSON.
package enum CSV {
    package static func text(_ rows: [[String]]) -> String {
        rows.map { $0.map(field).joined(separator: ",") + "\n" }.joined()
    }

    private static func field(_ text: String) -> String {
        let isJSON =
            text.utf8.first == 0x22 || text.utf8.contains { $0 < 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0D }
        return quoted(isJSON ? BSONValue.string(text).extendedJSON() : text)
    }

    private static func quoted(_ text: String) -> String {
        guard text.utf8.contains(where: { [0x22, 0x2C, 0x0A, 0x0D].contains($0) }) else { return text }
        return "\""
            + text.bytes.split(separator: "\"", omittingEmptySubsequences: false).map(\.text).joined(separator: "\"\"")
            + "\""
    }
}
