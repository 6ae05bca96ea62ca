#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The one rule for numbers that somebody has written, in JSON, on a command line or in a file: what is stored reads as
/// what was written, or the number is refused.
///
/// - A whole number without point and exponent has to fit into 64 bits. `-0` is the whole number 0.
/// - Any other becomes the nearest double. It must not become infinite, nor 0 where it is none. Where doubles lie
///   further apart than 1, from 2^53 on, the double rounded to as many digits as were written has to give these digits:
///   `1e23` is taken, `9007199254740993.0` is not.
public enum WrittenNumber {
    /// The number, the smallest type that holds it; `nil` for text that is none. Beside JSON's forms it takes a plus
    /// sign, leading zeros and a point at the beginning or the end; never hexadecimal digits, words or underscores.
    ///
    /// - Throws: `BSONError.unrepresentable` for a number that would become another one.
    public static func value(_ text: String) throws(BSONError) -> BSONValue? {
        guard let isWhole = form(Array(text.utf8)) else { return nil }
        return try value(text, isWhole: isWhole)
    }

    /// - Parameter token: A number of the form above.
    static func value(_ token: String, isWhole: Bool) throws(BSONError) -> BSONValue {
        if isWhole {
            guard let number = Int64(token) else { throw fault(token, "does not fit into 64 bits") }
            return BSONValue(smallest: Int(number))
        }
        return .double(try double(token))
    }

    /// The same as a double, also where it is whole.
    static func double(_ token: String) throws(BSONError) -> Double {
        guard let number = Double(token), number.isFinite else { throw fault(token, "is too large for a double") }
        if number.magnitude >= 0x1p53 {
            let digits = significantDigits(token)
            if digits != self.digits(of: number.magnitude, count: digits.count) {
                throw fault(token, "has more digits than a double keeps (it would become \(number))")
            }
        } else if number == 0, !significantDigits(token).isEmpty {
            throw fault(token, "is too small for a double (it would become 0)")
        }
        return number
    }

    private static func fault(_ token: String, _ what: String) -> BSONError {
        let shown = token.utf8.count > 40 ? "\(token.prefix(40))..." : token
        return BSONError(.unrepresentable, "the number \(shown) \(what); write it as text, in quotes")
    }

    /// Whether it is whole; `nil` where it is no number.
    private static func form(_ text: [UInt8]) -> Bool? {
        var rest = text[...]
        func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        func skip(_ bytes: String) -> Bool {
            guard let first = rest.first, bytes.utf8.contains(first) else { return false }
            rest.removeFirst()
            return true
        }
        func skipDigits() -> Int {
            let count = rest.prefix(while: isDigit).count
            rest.removeFirst(count)
            return count
        }
        _ = skip("+-")
        var digits = skipDigits()
        let hasPoint = skip(".")
        if hasPoint { digits += skipDigits() }
        if digits == 0 { return nil }
        let hasExponent = skip("eE")
        if hasExponent {
            _ = skip("+-")
            if skipDigits() == 0 { return nil }
        }
        return rest.isEmpty ? !hasPoint && !hasExponent : nil
    }

    /// Those in front of the exponent, without zeros at the beginning and the end.
    private static func significantDigits(_ token: String) -> [UInt8] {
        let mantissa = token.utf8.prefix { $0 | 0x20 != UInt8(ascii: "e") }
        var digits = mantissa.filter { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }[...]
        digits = digits.drop { $0 == UInt8(ascii: "0") }
        while digits.last == UInt8(ascii: "0") { digits.removeLast() }
        return Array(digits)
    }

    /// The number rounded to so many digits.
    private static func digits(of number: Double, count: Int) -> [UInt8] {
        // No double has more than 767 digits.
        guard (1...800).contains(count) else { return [] }
        let size = count + 16
        let text = [CChar](unsafeUninitializedCapacity: size) { buffer, filled in
            let written = withVaList([Int32(count - 1), number]) {
                vsnprintf(buffer.baseAddress, size, "%.*e", $0)
            }
            filled = min(max(0, Int(written)), size)
        }
        return text.map { UInt8(bitPattern: $0) }.prefix { $0 != UInt8(ascii: "e") }
            .filter { $0 != UInt8(ascii: ".") }
    }
}
