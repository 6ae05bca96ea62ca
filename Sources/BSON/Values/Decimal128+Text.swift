extension Decimal128 {
    /// The smallest and the largest exponent of a number written as an integer times a power of ten.
    private static let exponents = -6176...6111
    private static let maximumDigits = 34
    private static let signBit: UInt64 = 1 << 63

    /// Reads a decimal number such as `-1.50E+3`, `Infinity` or `NaN`, in either case.
    ///
    /// `nil` for other text and for numbers that need more than 34 digits or a larger exponent: nothing is rounded.
    /// An exponent out of range is clamped where zeros can make up for it.
    public init?(_ text: String) {
        var scanner = DecimalText(text)
        guard let number = scanner.read() else { return nil }
        let sign = number.isNegative ? Self.signBit : 0
        switch number.kind {
        case .infinity: self.init(high: sign | 0x7800 << 48, low: 0)
        case .notANumber: self.init(high: sign | 0x7C00 << 48, low: 0)
        case .finite(var coefficient, var exponent):
            if coefficient == 0 {
                exponent = min(max(exponent, Self.exponents.lowerBound), Self.exponents.upperBound)
            }
            while exponent > Self.exponents.upperBound {
                coefficient *= 10
                exponent -= 1
                guard coefficient < Self.limit else { return nil }
            }
            while exponent < Self.exponents.lowerBound {
                guard coefficient % 10 == 0 else { return nil }
                coefficient /= 10
                exponent += 1
            }
            let biased = UInt64(exponent - Self.exponents.lowerBound)
            self.init(
                high: sign | biased << 49 | UInt64(truncatingIfNeeded: coefficient >> 64),
                low: UInt64(truncatingIfNeeded: coefficient)
            )
        }
    }

    /// Ten to the power of 34: the first coefficient that does not fit.
    fileprivate static let limit: UInt128 = 10_000_000_000_000_000_000_000_000_000_000_000

    /// Whether the number is not a number.
    public var isNaN: Bool { high >> 58 & 0b11111 == 0b11111 }
}

extension Decimal128: CustomStringConvertible {
    /// The text that the BSON specification prescribes: `NaN`, `-Infinity`, `12.50`, `1E+3`.
    public var description: String {
        if isNaN { return "NaN" }
        let sign = high & Self.signBit == 0 ? "" : "-"
        if high >> 58 & 0b11111 == 0b11110 { return sign + "Infinity" }
        // The second form of the exponent belongs to coefficients that are too large; those count as zero.
        let isLarge = high >> 61 & 0b11 == 0b11
        let exponent = Int(high >> (isLarge ? 47 : 49) & 0x3FFF) + Self.exponents.lowerBound
        var coefficient = isLarge ? 0 : UInt128(high & 0x1_FFFF_FFFF_FFFF) << 64 | UInt128(low)
        if coefficient >= Self.limit { coefficient = 0 }

        let digits = String(coefficient)
        let adjusted = exponent + digits.count - 1
        guard exponent <= 0, adjusted >= -6 else {
            let fraction = digits.count > 1 ? "." + digits.dropFirst() : ""
            return "\(sign)\(digits.prefix(1))\(fraction)E\(adjusted < 0 ? "" : "+")\(adjusted)"
        }
        guard exponent < 0 else { return sign + digits }
        let whole = digits.count + exponent
        guard whole > 0 else { return sign + "0." + String(repeating: "0", count: -whole) + digits }
        return "\(sign)\(digits.prefix(whole)).\(digits.dropFirst(whole))"
    }
}

/// Takes the text of a decimal number apart.
private struct DecimalText {
    enum Kind {
        case finite(coefficient: UInt128, exponent: Int)
        case infinity, notANumber
    }

    private var rest: Substring.UTF8View

    init(_ text: String) {
        rest = Substring(text).utf8
    }

    mutating func read() -> (isNegative: Bool, kind: Kind)? {
        let sign = take { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") }
        let isNegative = sign == UInt8(ascii: "-")
        switch Substring(rest).lowercased() {
        case "inf", "infinity": return (isNegative, .infinity)
        case "nan": return (isNegative, .notANumber)
        default: return readFinite().map { (isNegative, $0) }
        }
    }

    private mutating func readFinite() -> Kind? {
        var coefficient: UInt128 = 0
        var significant = 0
        var exponent = 0
        var hasDigits = false
        var isFraction = false
        while true {
            if let digit = takeDigit() {
                hasDigits = true
                if significant < 34 {
                    coefficient = coefficient * 10 + UInt128(digit)
                    if coefficient > 0 { significant += 1 }
                    if isFraction { exponent -= 1 }
                } else if digit != 0 {
                    return nil
                } else if !isFraction {
                    exponent += 1
                }
            } else if !isFraction, take({ $0 == UInt8(ascii: ".") }) != nil {
                isFraction = true
            } else {
                break
            }
        }
        guard hasDigits else { return nil }
        if take({ $0 | 0x20 == UInt8(ascii: "e") }) != nil {
            guard let written = readExponent() else { return nil }
            exponent += written
        }
        return rest.isEmpty ? .finite(coefficient: coefficient, exponent: exponent) : nil
    }

    private mutating func readExponent() -> Int? {
        let sign = take { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") }
        guard var exponent = takeDigit() else { return nil }
        // Far outside of the range one exponent is as good as another.
        while let digit = takeDigit() { exponent = min(exponent * 10 + digit, 1_000_000_000_000) }
        return sign == UInt8(ascii: "-") ? -exponent : exponent
    }

    private mutating func takeDigit() -> Int? {
        take { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }.map { Int($0 - UInt8(ascii: "0")) }
    }

    private mutating func take(_ isWanted: (UInt8) -> Bool) -> UInt8? {
        guard let first = rest.first, isWanted(first) else { return nil }
        return rest.removeFirst()
    }
}
