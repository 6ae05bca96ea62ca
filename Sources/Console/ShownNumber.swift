package import BSON
import Glibc

/// Numbers as people read them in tables: rounded, and with their points below each other.
package enum ShownNumber {
    /// Digits that count, of a number that is not whole.
    package static let digits = 6

    /// A whole number has all its digits. So has the whole part of another one; of its digits so many are shown.
    package static func text(_ number: Double, digits: Int = digits) -> String {
        guard number.isFinite, number != 0 else { return number == 0 ? "0" : number.isNaN ? "NaN" : "\(number)" }
        if abs(number) < 1e15, abs(number) >= pow(10, Double(digits)) { return whole("\(number.rounded())") }
        return whole("\(rounded(number, digits))")
    }

    /// `nil` for what is no number.
    package static func text(_ value: BSONValue) -> String? {
        switch value {
        case .double(let number): text(number)
        case .int32, .int64: value.extendedJSON()
        default: nil
        }
    }

    /// `0.9130 ± 0.0041`: the error with two digits.
    package static func text(_ mean: Double, plusMinus error: Double?) -> String {
        text(mean) + (error.map { " ± \(text($0, digits: 2))" } ?? "")
    }

    /// The same texts with blanks behind them, so that their points stand below each other where they end alike on the
    /// right. What has an exponent stays, and what is no number.
    package static func aligned(_ texts: [String]) -> [String] {
        func decimals(_ text: String) -> Int? {
            let isPlain = text.utf8.first.map { $0 == 0x2D || (0x30...0x39).contains($0) } ?? false
            if !isPlain || text.bytes.contains("e") { return nil }
            let number = text.bytes.cut(atFirst: " ")?.before ?? text
            return number.bytes.cut(atFirst: ".").map { $0.behind.utf8.count + 1 } ?? 0
        }
        let most = texts.compactMap(decimals).max() ?? 0
        return texts.map { text in
            guard let own = decimals(text) else { return text }
            return text + String(repeating: " ", count: most - own)
        }
    }

    private static func rounded(_ number: Double, _ digits: Int) -> Double {
        var buffer = [CChar](repeating: 0, count: 64)
        let count = withVaList([CInt(digits - 1), number]) { vsnprintf(&buffer, buffer.count, "%.*e", $0) }
        guard count > 0, count < buffer.count else { return number }
        return Double(String(decoding: buffer[..<Int(count)].map(UInt8.init(bitPattern:)), as: UTF8.self)) ?? number
    }

    private static func whole(_ text: String) -> String { text.bytes.dropping(end: ".0") ?? text }
}
