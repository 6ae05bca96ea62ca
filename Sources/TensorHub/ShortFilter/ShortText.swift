import BSON

/// A name or a value in a short filter: its quotes are taken away, and each `*` outside of quotes stands for anything.
struct ShortText: Sendable {
    /// What the filter was given as, for messages: `where`.
    var field: String
    /// With its quotes, for messages.
    var written: String
    /// Of its first character, from 1.
    var column: Int
    /// What stands between the stars: one piece where there is no star.
    var pieces: [String]
    var isQuoted: Bool

    var hasStar: Bool { pieces.count > 1 }

    /// Nothing but stars.
    var isAnything: Bool { hasStar && pieces.allSatisfy(\.isEmpty) }

    /// A star is itself in it.
    var text: String { pieces.joined(separator: "*") }

    /// - Parameter what: What is wrong, and what to do.
    func fault(_ what: String) -> HubError {
        let shown = written.unicodeScalars.prefix(60)
        let word = shown.count < written.unicodeScalars.count ? String(shown) + "..." : written
        return .invalid(field, "\(field): '\(word)' at character \(column): \(what)")
    }

    // MARK: Patterns

    /// Matches a whole text. A plain beginning comes first in it, so that an index serves.
    var wholePattern: BSONRegularExpression {
        let start = hasStar && pieces.first?.isEmpty == true ? "" : "^"
        // Not `$`, which takes a line break behind the end for nothing.
        let end = hasStar && pieces.last?.isEmpty == true ? "" : "\\z"
        return BSONRegularExpression(pattern: start + solid + end, options: "s")
    }

    /// Matches a part of a text, whatever its capital letters, with the options `is`.
    var partPattern: String { solid }

    private var solid: String {
        pieces.filter { !$0.isEmpty }.map(Self.escaped).joined(separator: ".*")
    }

    /// Every character of ASCII that could mean something in a pattern means itself.
    private static func escaped(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            let isWord = scalar == "_" || scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
            if scalar.isASCII, !isWord { result.append("\\") }
            result.append(scalar)
        }
        return String(result)
    }
}

/// What stands between a name and a value.
enum ShortMark: String, Sendable {
    case field = ":"
    case equal = "="
    case unequal = "!="
    case less = "<"
    case atMost = "<="
    case greater = ">"
    case atLeast = ">="

    /// Whether it asks which of two is larger.
    var isOrder: Bool {
        switch self {
        case .less, .atMost, .greater, .atLeast: true
        case .field, .equal, .unequal: false
        }
    }

    /// MongoDB's.
    var comparison: String {
        switch self {
        case .field, .equal: "$eq"
        case .unequal: "$ne"
        case .less: "$lt"
        case .atMost: "$lte"
        case .greater: "$gt"
        case .atLeast: "$gte"
        }
    }
}

/// One condition of a short filter, as it was written.
enum ShortCondition: Sendable {
    /// `mnist`: a text to be looked for.
    case word(ShortText)
    /// `state:failed`.
    case field(ShortText, ShortText)
    /// `lr<0.01`.
    case comparison(ShortText, ShortMark, ShortText)

    /// What it begins with.
    var name: ShortText {
        switch self {
        case .word(let name), .field(let name, _), .comparison(let name, _, _): name
        }
    }
}
