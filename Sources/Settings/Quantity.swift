/// Times and sizes as people write them, for settings and for flags alike.
public enum Quantity {
    private static let seconds: [(unit: String, factor: Double)] = [
        ("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("", 1),
    ]
    private static let sizes: [(unit: String, factor: Double)] = [
        ("kib", 1024), ("mib", 1_048_576), ("gib", 1_073_741_824), ("tib", 1_099_511_627_776),
        ("kb", 1e3), ("mb", 1e6), ("gb", 1e9), ("tb", 1e12), ("b", 1), ("", 1),
    ]

    /// `90`, `90s`, `2m`, `1.5h`, `1h30m`, `4d03h`, `500ms`; without a unit, seconds. Of several parts each has a
    /// smaller unit than the one before, and the last one alone a fraction. `nil` for anything else and for negative
    /// times.
    public static func duration(_ text: String) -> Duration? {
        let parts = parts(text)
        if parts.count == 1 { return number(text, units: seconds).flatMap(milliseconds) }
        var sum = 0.0
        var smallest = Double.infinity
        for (index, part) in parts.enumerated() {
            let factor = seconds.first { $0.unit == trimmed(part.unit) }?.factor
            guard let factor, !trimmed(part.unit).isEmpty, factor < smallest, let value = Double(part.digits),
                index == parts.count - 1 || part.digits.utf8.allSatisfy({ $0 != UInt8(ascii: ".") })
            else { return nil }
            smallest = factor
            sum += value * factor
        }
        return sum < largest && !parts.isEmpty ? milliseconds(sum) : nil
    }

    /// Milliseconds keep every value that a person writes exact.
    private static func milliseconds(_ seconds: Double) -> Duration? {
        Int64(exactly: (seconds * 1000).rounded()).map { .milliseconds($0) }
    }

    /// Digits with what stands behind them, each.
    private static func parts(_ text: String) -> [(digits: Substring, unit: Substring)] {
        var parts: [(digits: Substring, unit: Substring)] = []
        var rest = text[...]
        while !rest.isEmpty {
            let digits = rest.prefix(while: isDigit)
            let unit = rest.dropFirst(digits.count).prefix { !isDigit($0) }
            parts.append((digits, unit))
            rest = rest.dropFirst(digits.count + unit.count)
        }
        return parts
    }

    private static func isDigit(_ character: Character) -> Bool {
        character.isASCII && (character.isNumber || character == ".")
    }

    /// `64MiB`, `2GiB`, `100kB`, `4096`; without a unit, bytes. `nil` for anything else and for negative sizes.
    public static func bytes(_ text: String) -> Int? {
        number(text.lowercased(), units: sizes).flatMap { Int(exactly: $0.rounded()) }
    }

    /// The shortest way of writing a time that `duration(_:)` reads back: `90s`, `1h`.
    public static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let milliseconds = attoseconds / 1_000_000_000_000_000
        if milliseconds != 0 { return "\(seconds * 1000 + milliseconds)ms" }
        if seconds != 0, seconds % 3600 == 0 { return "\(seconds / 3600)h" }
        if seconds >= 120, seconds % 60 == 0 { return "\(seconds / 60)m" }
        return "\(seconds)s"
    }

    private static let largest = 9e15

    private static func number(_ text: String, units: [(unit: String, factor: Double)]) -> Double? {
        let digits = text.prefix(while: isDigit)
        let unit = trimmed(text.dropFirst(digits.count))
        guard let number = Double(digits), number.isFinite,
            let factor = units.first(where: { $0.unit == unit })?.factor
        else { return nil }
        let value = number * factor
        return value < largest ? value : nil
    }
}
