import BSON

/// Reads a short filter word by word.
struct ShortScanner {
    private let scalars: [Unicode.Scalar]
    private let field: String
    private var place = 0

    init(_ text: String, field: String) {
        self.field = field
        scalars = Array(text.unicodeScalars)
    }

    /// The next condition; `nil` at the end.
    mutating func next() throws(HubError) -> ShortCondition? {
        skipBlanks()
        guard place < scalars.count else { return nil }
        let name = try text(isName: true)
        if name.written.bytes.hasPrefix("{") {
            throw name.fault("that looks like a MongoDB filter; give it with --filter, or put the text in quotes")
        }
        skipBlanks()
        let column = place + 1
        guard let mark = try mark() else {
            try Self.check(word: name)
            return .word(name)
        }
        if name.written.isEmpty {
            throw fault(
                from: column - 1,
                "there is no name in front of it; write one such as lr<0.01, and put text that is looked for in quotes"
            )
        }
        skipBlanks()
        let value = try text(isName: false)
        if value.written.isEmpty {
            throw name.fault("there is no value behind '\(mark.rawValue)'; write one, or \"\" for an empty text")
        }
        if mark == .field { return .field(name, value) }
        try Self.check(comparing: name, mark, value)
        return .comparison(name, mark, value)
    }

    // MARK: Pieces

    private static func isBlank(_ scalar: Unicode.Scalar) -> Bool {
        scalar == " " || scalar == "\t" || scalar == "\n" || scalar == "\r"
    }

    private mutating func skipBlanks() {
        while place < scalars.count, Self.isBlank(scalars[place]) { place += 1 }
    }

    /// Whether a mark begins at the place.
    private var isAtMark: Bool {
        switch scalars[place] {
        case ":", "=", "<", ">": true
        case "!": place + 1 < scalars.count && scalars[place + 1] == "="
        default: false
        }
    }

    private mutating func mark() throws(HubError) -> ShortMark? {
        guard place < scalars.count, isAtMark else { return nil }
        let start = place
        place += 1
        if scalars[start] == ":" { return .field }
        while place < scalars.count, ["=", "<", ">"].contains(scalars[place]) { place += 1 }
        let written = string(start..<place)
        if written == "==" { return .equal }
        guard let mark = ShortMark(rawValue: written) else {
            throw fault(from: start, to: place, "there is no such comparison; they are = != < <= > >=")
        }
        return mark
    }

    private mutating func text(isName: Bool) throws(HubError) -> ShortText {
        let start = place
        var pieces = [String.UnicodeScalarView()]
        var isQuoted = false
        while place < scalars.count, !Self.isBlank(scalars[place]), !(isName && isAtMark) {
            let scalar = scalars[place]
            place += 1
            switch scalar {
            case "\"":
                isQuoted = true
                pieces[pieces.count - 1] += try quoted()
            case "*": pieces.append(String.UnicodeScalarView())
            case "\0": throw fault(from: start, to: place - 1, "a NUL character follows it; nothing stored has one")
            default: pieces[pieces.count - 1].append(scalar)
            }
        }
        let text = ShortText(
            field: field,
            written: string(start..<place),
            column: start + 1,
            pieces: pieces.map { String($0) },
            isQuoted: isQuoted
        )
        if text.written.utf8.count > ShortFilter.longest {
            throw text.fault("it is longer than \(ShortFilter.longest) bytes; shorten it")
        }
        return text
    }

    /// What stands between two quotes, of which the first has been read.
    private mutating func quoted() throws(HubError) -> String.UnicodeScalarView {
        let start = place - 1
        var result = String.UnicodeScalarView()
        while place < scalars.count {
            var scalar = scalars[place]
            place += 1
            if scalar == "\"" { return result }
            if scalar == "\0" {
                throw fault(from: start, to: place - 1, "a NUL character follows it; nothing stored has one")
            }
            if scalar == "\\", place < scalars.count, scalars[place] == "\"" || scalars[place] == "\\" {
                scalar = scalars[place]
                place += 1
            }
            result.append(scalar)
        }
        throw fault(from: start, "the quote is not closed; end the text with \", and write \\\" for a quote within it")
    }

    private func string(_ range: Range<Int>) -> String {
        String(String.UnicodeScalarView(scalars[range]))
    }

    private func fault(from start: Int, to end: Int? = nil, _ what: String) -> HubError {
        let written = string(start..<(end ?? scalars.count))
        return ShortText(field: field, written: written, column: start + 1, pieces: [written], isQuoted: false).fault(
            what
        )
    }

    // MARK: What is likely meant otherwise

    private static let joints: [ByteString] = ["and", "or", "not", "&", "&&", "|", "||", "!"]

    private static func check(word: ShortText) throws(HubError) {
        if word.isAnything || word.text.isEmpty {
            throw word.fault("that is in every text; write what is looked for, or leave it out")
        }
        if word.isQuoted { return }
        if joints.contains(word.text.lowercased().bytes) {
            throw word.fault(
                "conditions are separated by blanks and all must hold; for anything else there is --filter, "
                    + "and a text that is looked for can stand in quotes"
            )
        }
    }

    private static func check(comparing name: ShortText, _ mark: ShortMark, _ value: ShortText) throws(HubError) {
        if !name.isQuoted, (try? WrittenNumber.value(name.text)) != nil {
            throw name.fault("a number stands in front of '\(mark.rawValue)'; write the name first: lr>0.001 lr<0.1")
        }
        if mark.isOrder, !value.isQuoted,
            value.text.unicodeScalars.contains(where: { "=<>".unicodeScalars.contains($0) })
        {
            throw value.fault("there are two comparisons in one; write two conditions: lr>0.001 lr<0.1")
        }
    }
}
