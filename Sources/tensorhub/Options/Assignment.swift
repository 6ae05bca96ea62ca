import BSON
import Console

/// `name=value` as given to `-p` and `--tag`.
enum Assignment {
    /// - Parameters:
    ///   - filesAllowed: Whether `@file.json` gives many at once.
    ///   - repeatsAllowed: Whether the last one of a name counts.
    ///   - note: Told of a value that may have been meant otherwise.
    static func document(
        _ texts: [String],
        flag: String,
        filesAllowed: Bool,
        repeatsAllowed: Bool = true,
        note: (String) -> Void = { _ in }
    ) throws(CommandFailure) -> BSONDocument {
        var document = BSONDocument()
        for text in texts {
            if filesAllowed, let path = text.bytes.dropping("@") {
                let fields = try object(file: path, flag: flag)
                for (key, value) in fields { document.append(key, value) }
                continue
            }
            guard let (name, written) = text.bytes.cut(atFirst: "=") else {
                let example = flag == "-p" ? "lr=0.1, or @file.json for a whole object" : "owner=ann"
                throw .badInput("\(flag) '\(text)' has no '='; write \(example)")
            }
            if name.isEmpty { throw .badInput("\(flag) '\(text)' has no name before the '='; name it") }
            document.append(name, try value(written, name: name, flag: flag, note))
        }
        if !repeatsAllowed, let name = document.repeatedKey {
            throw .badInput("\(flag) '\(name)' is given twice; give it once")
        }
        return document.withoutRepeatedKeys
    }

    /// A number that BSON cannot hold must not become another, or text, unseen.
    private static func value(
        _ text: String,
        name: String,
        flag: String,
        _ note: (String) -> Void
    ) throws(CommandFailure) -> BSONValue {
        do {
            let written = try WrittenValue(text)
            if let words = written.note { note("\(name)=\(text) \(words); --text \(name)=\(text) takes it as it is") }
            return written.value
        } catch {
            throw .badInput(
                "\(flag) \(name)=\(TerminalText.truncated(text, to: 60)): \(error.message); "
                    + "--text \(name)=... takes it as it is"
            )
        }
    }

    /// Values that are text whatever they look like.
    static func texts(_ texts: [String], flag: String) throws(CommandFailure) -> BSONDocument {
        var document = BSONDocument()
        for text in texts {
            guard let (name, value) = text.bytes.cut(atFirst: "="), !name.isEmpty else {
                throw .badInput("\(flag) '\(text)' is no name=value; write \(flag) rev=12e34")
            }
            document.append(name, .string(value))
        }
        return document.withoutRepeatedKeys
    }

    /// What such a text is not.
    static func refusal(_ error: BSONError) -> String {
        error.code == .unrepresentable ? "cannot be stored as it is" : "is no JSON object of hyper-parameters"
    }

    private static func object(file path: String, flag: String) throws(CommandFailure) -> BSONDocument {
        let bytes = try InputFile(path, role: "\(flag) @\(path)", limit: JSONLine.longest).bytes
        do {
            // JSON allows a name twice; the last one counts, as in most parsers.
            return try BSONDocument(extendedJSON: bytes, options: .nonFinite).withoutRepeatedKeys
        } catch {
            throw .badInput("\(flag) @\(path) \(Self.refusal(error)): \(error.message)")
        }
    }
}
