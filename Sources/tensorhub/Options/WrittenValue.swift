import BSON
import Console

/// A value as people write it on a command line or in a cell of a table: read by a pattern over the whole word.
///
/// JSON is JSON. Numbers may be written as Python writes them (`.1`, `1.`, `+3`, `0x10`), and so may `None`, `True`,
/// `False`, `nan` and `inf`. Everything else is text: `007`, `1_000`, `12:30`, `on`, dates.
struct WrittenValue {
    let value: BSONValue
    /// Where somebody may have meant another type than the word has.
    var note: String?

    /// - Throws: `BSONError` for a number that cannot be stored as it is, and for what begins as JSON and is none.
    init(_ text: String) throws(BSONError) {
        if let word = Self.words[text.bytes] {
            value = word
            return
        }
        if let number = NonFinite.number(text) {
            value = .double(number)
            return
        }
        let bytes = Array(text.utf8)
        if let number = Self.json(ofNumber: bytes) {
            value = try BSONValue(extendedJSON: number)
            note = Self.isDigitsAround(bytes) ? "is the number \(value.extendedJSON())" : nil
            return
        }
        if let number = Self.hexadecimal(bytes) {
            value = .init(smallest: Int(number))
            return
        }
        do {
            value = try BSONValue(extendedJSON: text)
        } catch {
            // Text that is no JSON is text. What is, but misuses a key such as $oid, would become text unseen.
            let isJSON = (try? BSONValue(extendedJSON: text, options: ExtendedJSONOptions(plain: true))) != nil
            let first = bytes.first { $0 != UInt8(ascii: " ") }
            let isMeant = first.map { [UInt8(ascii: "["), UInt8(ascii: "{")].contains($0) } ?? false
            if error.code == .unrepresentable || isJSON || isMeant || Self.isQuoted(bytes) { throw error }
            value = .string(text)
            note = Self.isGroupedNumber(bytes) ? "is text, for the sake of its underscores" : nil
        }
    }

    private static let words: [ByteString: BSONValue] = ["None": .null, "True": true, "False": false]

    /// As JSON writes the number; `nil` where the word is none. Zeros in front make it text, as in a postal code.
    private static func json(ofNumber word: [UInt8]) -> String? {
        var rest = word[...]
        var sign = ""
        if let first = rest.first, first == UInt8(ascii: "+") || first == UInt8(ascii: "-") {
            if first == UInt8(ascii: "-") { sign = "-" }
            rest.removeFirst()
        }
        let whole = digits(&rest)
        var fraction: String?
        if rest.first == UInt8(ascii: ".") {
            rest.removeFirst()
            fraction = digits(&rest)
        }
        if whole.isEmpty && (fraction ?? "").isEmpty { return nil }
        if whole.utf8.count > 1, whole.utf8.first == UInt8(ascii: "0") { return nil }
        var exponent = ""
        if let letter = rest.first, letter | 0x20 == UInt8(ascii: "e") {
            rest.removeFirst()
            var power = "e"
            if let first = rest.first, first == UInt8(ascii: "+") || first == UInt8(ascii: "-") {
                power += first == UInt8(ascii: "-") ? "-" : "+"
                rest.removeFirst()
            }
            let number = digits(&rest)
            if number.isEmpty { return nil }
            exponent = power + number
        }
        guard rest.isEmpty else { return nil }
        let decimals = fraction.map { "." + ($0.isEmpty ? "0" : $0) } ?? ""
        return sign + (whole.isEmpty ? "0" : whole) + decimals + exponent
    }

    private static func digits(_ rest: inout ArraySlice<UInt8>) -> String {
        let found = rest.prefix { isDigit($0) }
        rest.removeFirst(found.count)
        return String(decoding: found, as: UTF8.self)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    /// `0x10`, with a sign; `nil` where it is none, or has more than 64 bits.
    private static func hexadecimal(_ word: [UInt8]) -> Int64? {
        var rest = word[...]
        let isNegative = rest.first == UInt8(ascii: "-")
        if isNegative || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
        guard rest.count > 2, rest.first == UInt8(ascii: "0"),
            rest.dropFirst().first.map({ $0 | 0x20 }) == UInt8(ascii: "x")
        else { return nil }
        let digits = String(decoding: rest.dropFirst(2), as: UTF8.self)
        guard digits.utf8.allSatisfy({ isDigit($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0 | 0x20) })
        else {
            return nil
        }
        return Int64((isNegative ? "-" : "") + digits, radix: 16)
    }

    /// `12e34`: digits with one letter among them, as in the short name of a commit.
    private static func isDigitsAround(_ word: [UInt8]) -> Bool {
        let parts = word.split(omittingEmptySubsequences: false) { $0 | 0x20 == UInt8(ascii: "e") }
        return parts.count == 2 && parts.allSatisfy { !$0.isEmpty && $0.allSatisfy(isDigit) }
            && (parts[0].count > 1 && parts[1].count > 1 || word.count > 6)
    }

    /// `1_000`, which Python reads as a number.
    private static func isGroupedNumber(_ word: [UInt8]) -> Bool {
        word.contains(UInt8(ascii: "_")) && word.first.map(isDigit) == true && word.last.map(isDigit) == true
            && word.allSatisfy { isDigit($0) || $0 == UInt8(ascii: "_") }
    }

    private static func isQuoted(_ word: [UInt8]) -> Bool {
        word.count > 1 && word.first == UInt8(ascii: "\"") && word.last == UInt8(ascii: "\"")
    }
}
