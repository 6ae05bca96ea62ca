public import BSON

/// What somebody calls tasks by: `412`, `410..420`, 24 hexadecimal digits, `@last`.
public enum TaskReference: Sendable, Hashable, CustomStringConvertible {
    case id(ObjectID)
    /// One number, or a range of them.
    case numbers(ClosedRange<Int>)
    /// The tasks of one of the caller's own submits: the latest, or so many before it.
    case latest(back: Int)
    /// Those of the caller's latest submit that have failed.
    case latestFailed

    /// The longest range: what follows from a mistyped digit must not be a million tasks.
    public static let longestRange = 100_000

    /// - Parameter field: What the text was given as, for errors.
    /// - Throws: `HubError.invalidInput` of that field.
    public init(_ text: String, field: String = "id") throws(HubError) {
        // Twenty-four decimal digits are an identifier.
        if let id = ObjectID(text) {
            self = .id(id)
        } else if text.bytes.hasPrefix("@") {
            self = try Self.word(text, field)
        } else if let ends = text.bytes.cut(atFirst: "."), let first = Self.number(ends.before),
            let last = ends.behind.bytes.dropping(".").flatMap(Self.number)
        {
            self = .numbers(try Self.range(first, last, text, field))
        } else if let number = Self.number(text) {
            self = .numbers(try Self.range(number, number, text, field))
        } else {
            throw .invalid(
                field,
                "\(field): '\(Self.shown(text))' is no task; write its number as 412, a range as 410..420, or the 24 "
                    + "hexadecimal digits of its id"
            )
        }
    }

    private static func range(_ first: Int, _ last: Int, _ text: String, _ field: String) throws(HubError)
        -> ClosedRange<Int>
    {
        if first < 1 || last > Hub.largestNumber {
            throw .invalid(field, "\(field): '\(text)': numbers of tasks are from 1 to \(Hub.largestNumber)")
        }
        if last < first { throw .invalid(field, "\(field): '\(text)' ends before it begins; write \(last)..\(first)") }
        if last - first >= longestRange {
            throw .invalid(
                field,
                "\(field): '\(text)' is a range of \(last - first + 1) numbers, and \(longestRange) is the limit; "
                    + "write shorter ones, or select by other conditions"
            )
        }
        return first...last
    }

    private static func word(_ text: String, _ field: String) throws(HubError) -> TaskReference {
        if text.bytes == "@last-failed" { return .latestFailed }
        if text.bytes == "@last" { return .latest(back: 0) }
        if let back = text.bytes.dropping("@last~").flatMap(number), back <= longestRange { return .latest(back: back) }
        throw .invalid(
            field,
            "\(field): there is no '\(shown(text))'; @last are the tasks of your latest submit, @last~1 those of the one "
                + "before, @last-failed those of the latest that have failed"
        )
    }

    /// Decimal digits and nothing else; more than eighteen are no number of a task.
    private static func number(_ text: String) -> Int? {
        guard (1...18).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int(text)
    }

    private static func shown(_ text: String) -> String {
        let scalars = text.unicodeScalars.prefix(60)
        return String(String.UnicodeScalarView(scalars)) + (scalars.count < text.unicodeScalars.count ? "..." : "")
    }

    /// Whether it depends on who asks.
    var isOfCaller: Bool {
        switch self {
        case .id, .numbers: false
        case .latest, .latestFailed: true
        }
    }

    public var description: String {
        switch self {
        case .id(let id): "\(id)"
        case .numbers(let numbers): Self.text(numbers)
        case .latest(let back): back == 0 ? "@last" : "@last~\(back)"
        case .latestFailed: "@last-failed"
        }
    }

    /// `412`, or `412..423`.
    package static func text(_ numbers: ClosedRange<Int>) -> String {
        numbers.count == 1 ? "\(numbers.lowerBound)" : "\(numbers.lowerBound)..\(numbers.upperBound)"
    }
}
