import BSON

/// The one gate through which words of the server's and of libmongoc's come in: what they quote of a command, where
/// session, signature and passwords are, stays outside.
enum ServerText {
    /// The text without the commands and connection strings that it quotes.
    static func scrubbed(_ text: String) -> String {
        ConnectionText.redacted(withoutCommands(text))
    }

    /// The document with every `errmsg` scrubbed and without the cluster's time, which is signed.
    static func scrubbed(_ reply: BSONDocument) -> BSONDocument {
        var result = BSONDocument()
        for (key, value) in reply where key != "$clusterTime" {
            result.append(key, key == "errmsg" ? .string(scrubbed(value.stringValue ?? "")) : scrubbed(value))
        }
        return result
    }

    private static func scrubbed(_ value: BSONValue) -> BSONValue {
        switch value {
        case .document(let document): .document(scrubbed(document))
        case .array(let values): .array(values.map(scrubbed))
        default: value
        }
    }

    /// What stands in braces goes as a whole where it is a command, or holds what only commands have.
    private static func withoutCommands(_ text: String) -> String {
        let bytes = Array(text.utf8)
        guard let start = bytes.firstIndex(of: UInt8(ascii: "{")) else { return text }
        let lower = bytes.map { ($0 | 0x20) }
        guard marks.contains(where: { lower.range(of: $0) != nil }) else { return text }
        let end = bytes.lastIndex(of: UInt8(ascii: "}")).flatMap { $0 > start ? $0 + 1 : nil } ?? bytes.count
        return String(decoding: bytes[..<start], as: UTF8.self) + "{...}"
            + String(decoding: bytes[end...], as: UTF8.self)
    }

    /// As they are after `| 0x20`, which leaves small letters, digits and blanks as they are.
    private static let marks: [[UInt8]] = [
        "command {", "command: {", "$clustertime", "lsid", "signature", "sasl", "payload", "pwd", "password", "nonce",
    ].map { $0.utf8.map { $0 | 0x20 } }

    /// The text with a blank for each control character, and not longer than a line.
    static func oneLine(_ text: String) -> String {
        let clean = text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }
        var result = String.UnicodeScalarView()
        result.append(contentsOf: clean.prefix(lineLimit))
        return String(result) + (clean.count > lineLimit ? "..." : "")
    }

    private static let lineLimit = 400
}

extension Array where Element == UInt8 {
    /// The first place of `part`, at or behind `start`.
    func range(of part: [UInt8], from start: Int = 0) -> Range<Int>? {
        guard !part.isEmpty, count >= part.count, start <= count - part.count else { return nil }
        for first in start...(count - part.count) where self[first] == part[0] {
            if self[first..<(first + part.count)].elementsEqual(part) { return first..<(first + part.count) }
        }
        return nil
    }
}
