import BSON

/// The header `Range` (RFC 9110, 14.2). Several ranges at once are answered with the whole, as the standard allows.
enum ByteRange: Equatable {
    case whole
    case part(Range<Int64>)
    case unsatisfiable

    static func parse(_ header: String?, length: Int64) -> ByteRange {
        let unit = "bytes="
        guard let header, let rest = header.bytes.dropping(unit.bytes), !rest.bytes.contains(",") else { return .whole }
        let ends = rest.bytes.split(separator: "-", omittingEmptySubsequences: false).map(\.text)
        guard ends.count == 2 else { return .whole }
        switch (number(ends[0]), number(ends[1])) {
        case (let first?, let last?):
            if first > last { return .whole }
            return first < length ? .part(first..<min(last, length - 1) + 1) : .unsatisfiable
        case (let first?, nil):
            if !ends[1].isEmpty { return .whole }
            return first < length ? .part(first..<length) : .unsatisfiable
        case (nil, let count?):
            if !ends[0].isEmpty { return .whole }
            return count > 0 && length > 0 ? .part(max(0, length - count)..<length) : .unsatisfiable
        case (nil, nil): return .whole
        }
    }

    private static func number(_ text: String) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        // More than any file has.
        return Int64(text) ?? .max - 1
    }
}
