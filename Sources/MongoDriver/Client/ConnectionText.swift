/// Connection strings in text that somebody is to read: messages that repeat what a person wrote, lines of a log.
public enum ConnectionText {
    /// The text with `***` in the place of every password that stands in a connection string, whether that can be
    /// parsed or not. Too much rather than too little goes: an `@` of a password need not be the first of the line.
    public static func redacted(_ text: String) -> String {
        var rest = Array(text.utf8)
        var result: [UInt8] = []
        var isChanged = false
        while let scheme = rest.range(of: separator) {
            let isOurs =
                rest[..<scheme.lowerBound].hasSuffix("mongodb") || rest[..<scheme.lowerBound].hasSuffix("mongodb+srv")
            result += rest[..<scheme.upperBound]
            rest = Array(rest[scheme.upperBound...])
            guard isOurs else { continue }
            let lineEnd = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.count
            let end = rest[..<lineEnd].firstIndex(where: isEnd) ?? lineEnd
            let at = rest[..<lineEnd].lastIndex(of: UInt8(ascii: "@"))
            guard at != nil || holdsSecret(rest[..<end]) else { continue }
            result += hidden
            isChanged = true
            rest = Array(rest[max(at ?? 0, end)...])
        }
        return isChanged ? String(decoding: result + rest, as: UTF8.self) : text
    }

    private static let separator = Array("://".utf8)
    private static let hidden = Array("***".utf8)

    /// Where a connection string in a sentence ends, unless an `@` follows.
    private static func isEnd(_ byte: UInt8) -> Bool { byte <= 0x20 || "'\"`)>".utf8.contains(byte) }

    /// A port that is no number is a password whose host is missing; some options hold secrets.
    private static func holdsSecret(_ uri: ArraySlice<UInt8>) -> Bool {
        let authority = uri.prefix { !"/?".utf8.contains($0) }
        let hosts = authority.split(separator: UInt8(ascii: ","))
        let isOdd = hosts.contains { host in
            guard host.first != UInt8(ascii: "["), let colon = host.firstIndex(of: UInt8(ascii: ":")) else {
                return false
            }
            // A sentence may go on behind the string.
            let port = host[(colon + 1)...].reversed().drop { ".;:,".utf8.contains($0) }
            return !port.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        }
        return isOdd
            || uri.split(separator: UInt8(ascii: "?"), maxSplits: 1).dropFirst().contains { query in
                query.split(separator: UInt8(ascii: "&")).contains {
                    MongoURI.isSecret(option: String(decoding: $0, as: UTF8.self))
                }
            }
    }
}

extension ArraySlice where Element == UInt8 {
    fileprivate func hasSuffix(_ text: String) -> Bool { suffix(text.utf8.count).elementsEqual(text.utf8) }
}
