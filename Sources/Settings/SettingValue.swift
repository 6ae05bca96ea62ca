import BSON

/// The checked value of one key.
enum SettingValue: Sendable, Hashable {
    case text(String)
    case integer(Int)
    case duration(Duration)
    case list([String])
    case labels([ByteString: String])
    case document(BSONDocument)
}

/// A value as somebody wrote it.
enum WrittenValue {
    /// In a file, with its structure.
    case node(YAMLNode)
    /// In the environment or as flags (as often as the flag was given): plain text.
    case texts([String])
}

extension SettingKey {
    /// Checks what was written at `place`. Messages repeat the value, except for the URI and what is no text.
    func value(of written: WrittenValue, at place: String) throws(SettingsError) -> SettingValue {
        switch kind {
        case .text: return .text(try checkedText(text(of: written, at: place), at: place))
        case .path: return .text(try text(of: written, at: place))
        case .integer(let range):
            let text = try text(of: written, at: place)
            guard let number = Int(text), range.contains(number) else {
                throw invalid(place, text, "a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return .integer(number)
        case .duration(let range):
            let text = try text(of: written, at: place)
            guard let duration = Quantity.duration(text), range.contains(duration) else {
                throw invalid(
                    place,
                    text,
                    "a time from \(Quantity.text(range.lowerBound)) to \(Quantity.text(range.upperBound)), "
                        + "written as 90s, 2m or 1h"
                )
            }
            return .duration(duration)
        case .size(let range):
            let text = try text(of: written, at: place)
            guard let size = Quantity.bytes(text), range.contains(size) else {
                throw invalid(
                    place,
                    text,
                    "a size from \(range.lowerBound >> 10)KiB to \(range.upperBound >> 30)GiB, written as 64MiB"
                )
            }
            return .integer(size)
        case .choice(let words):
            let text = try text(of: written, at: place)
            guard words.contains(text) else { throw invalid(place, text, "one of " + words.joined(separator: ", ")) }
            return .text(text)
        case .list: return .list(try list(of: written, at: place))
        case .labels: return .labels(try labels(of: written, at: place))
        case .filter: return .document(try document(of: written, at: place))
        case .sort:
            let document = try document(of: written, at: place)
            for (field, direction) in document where direction.intValue != 1 && direction.intValue != -1 {
                throw SettingsError(
                    .invalidValue,
                    at: place,
                    "`\(name)` gives \(quoted(field)) neither 1 (ascending) nor -1 (descending)"
                )
            }
            return .document(document)
        }
    }

    private func text(of written: WrittenValue, at place: String) throws(SettingsError) -> String {
        switch written {
        case .texts(let texts): return texts.last ?? ""
        case .node(let node):
            guard case .scalar(let text, let isPlain) = node.value, !(isPlain && YAMLNode.isNull(text)) else {
                throw wrongType(place, node, "a single value")
            }
            return text
        }
    }

    private func checkedText(_ text: String, at place: String) throws(SettingsError) -> String {
        guard !text.isEmpty, !text.utf8.contains(0) else {
            throw SettingsError(.invalidValue, at: place, "`\(name)` is empty; give it a value or remove it")
        }
        if self == .uri { try SettingKey.checkURI(text, at: place) }
        return text
    }

    /// Only the scheme: the rest is libmongoc's to judge.
    static func checkURI(_ text: String, at place: String) throws(SettingsError) {
        guard text.bytes.hasPrefix("mongodb://") || text.bytes.hasPrefix("mongodb+srv://") else {
            throw SettingsError(
                .invalidValue,
                at: place,
                "`uri` must begin with mongodb:// or mongodb+srv://, as in mongodb://127.0.0.1:27017"
            )
        }
    }

    private func list(of written: WrittenValue, at place: String) throws(SettingsError) -> [String] {
        var words: [String] = []
        switch written {
        case .texts(let texts):
            for text in texts { words += text.bytes.split(separator: ",").map { trimmed($0.text) } }
        case .node(let node):
            guard case .list(let nodes) = node.value else { throw wrongType(place, node, "a list, as in [a, b]") }
            for node in nodes {
                guard case .scalar(let text, _) = node.value else { throw wrongType(place, node, "a list of words") }
                words.append(text)
            }
        }
        for word in words where self == .allowedEnvironment && !isVariablePattern(word) {
            throw invalid(place, word, "names of environment variables, each perhaps with * at its end")
        }
        guard !words.contains(where: { $0.isEmpty || $0.utf8.contains(0) }) else {
            throw SettingsError(.invalidValue, at: place, "`\(name)` has an empty entry; remove it")
        }
        return words
    }

    private func labels(of written: WrittenValue, at place: String) throws(SettingsError) -> [ByteString: String] {
        var pairs: [(String, String)] = []
        switch written {
        case .texts(let texts):
            for pair in texts.flatMap({ $0.bytes.split(separator: ",").map { trimmed($0.text) } }) {
                guard let (label, value) = pair.bytes.cut(atFirst: "=") else {
                    throw invalid(place, pair, "name=value")
                }
                pairs.append((trimmed(label), trimmed(value)))
            }
        case .node(let node):
            guard case .mapping(let entries) = node.value else {
                throw wrongType(place, node, "a mapping, as in {site: lab, gpu: a100}")
            }
            for entry in entries {
                guard case .scalar(let text, _) = entry.value.value else {
                    throw wrongType(place, entry.value, "a single value for each label")
                }
                pairs.append((entry.key, text))
            }
        }
        var labels: [ByteString: String] = [:]
        for (label, value) in pairs {
            guard !label.isEmpty, !label.bytes.contains("."), !label.bytes.hasPrefix("$"),
                !(label + value).utf8.contains(0)
            else {
                throw invalid(place, label, "labels whose names are not empty and have no `.` or leading `$`")
            }
            guard labels.updateValue(value, forKey: label.bytes) == nil else {
                throw SettingsError(.duplicateKey, at: place, "`\(name)` has \(quoted(label)) twice; remove one")
            }
        }
        return labels
    }

    private func document(of written: WrittenValue, at place: String) throws(SettingsError) -> BSONDocument {
        let json: String
        switch written {
        case .texts(let texts): json = texts.last ?? ""
        case .node(let node):
            switch node.value {
            case .mapping: json = node.json
            case .scalar(let text, let isPlain) where !(isPlain && YAMLNode.isNull(text)): json = text
            case .scalar, .list: throw wrongType(place, node, "a mapping, or Extended JSON in quotes")
            }
        }
        do {
            return try BSONDocument(extendedJSON: json)
        } catch {
            let example = kind == .sort ? #"{"time": 1}"# : #"{"hyper_parameters.lr": {"$gt": 0.1}}"#
            throw SettingsError(
                .invalidValue,
                at: place,
                "`\(name)` is not an Extended JSON object (\(error.message)); write it as \(example)"
            )
        }
    }

    private func wrongType(_ place: String, _ node: YAMLNode, _ expected: String) -> SettingsError {
        SettingsError(.invalidValue, at: place, "`\(name)` expects \(expected), but \(node.kindName) is given")
    }

    private func invalid(_ place: String, _ value: String, _ expected: String) -> SettingsError {
        let shown = value.utf8.count <= 80 && !value.contains("://") ? ", but `\(value)` is given" : ""
        return SettingsError(.invalidValue, at: place, "`\(name)` expects \(expected)\(shown)")
    }
}

/// `LC_ALL` or `LC_*`.
private func isVariablePattern(_ text: String) -> Bool {
    let name = text.utf8.last == UInt8(ascii: "*") ? text.utf8.dropLast() : text.utf8[...]
    guard let first = name.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return false }
    return name.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}

/// Without blanks, tabs and line ends on either side.
func trimmed(_ text: some StringProtocol) -> String {
    let blanks: [UInt8] = [0x20, 0x09, 0x0A, 0x0D]
    var text = Substring(text).utf8
    while let first = text.first, blanks.contains(first) { text.removeFirst() }
    while let last = text.last, blanks.contains(last) { text.removeLast() }
    return String(Substring(text))
}
