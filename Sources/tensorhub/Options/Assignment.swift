import BSON
import Console

/// `name=value` as given to `-p` and `--tag`.
enum Assignment {
    /// - Parameters:
    ///   - filesAllowed: Whether `@file.json` gives many at once.
    ///   - repeatsAllowed: Whether the last one of a name counts.
    static func document(
        _ texts: [String],
        flag: String,
        filesAllowed: Bool,
        repeatsAllowed: Bool = true
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
            document.append(name, try value(written, name: name, flag: flag))
        }
        if !repeatsAllowed, let name = document.repeatedKey {
            throw .badInput("\(flag) '\(name)' is given twice; give it once")
        }
        return document.withoutRepeatedKeys
    }

    /// JSON if it is JSON, else the text. A number that BSON cannot hold must not become another, or text, unseen.
    private static func value(_ text: String, name: String, flag: String) throws(CommandFailure) -> BSONValue {
        do {
            return try BSONValue(extendedJSON: text)
        } catch {
            // Text that is no JSON is text. What is, but misuses a key such as $oid, would become text unseen.
            let isJSON = (try? BSONValue(extendedJSON: text, options: ExtendedJSONOptions(plain: true))) != nil
            guard error.code == .unrepresentable || isJSON else { return .string(text) }
            throw .badInput("\(flag) \(name)=\(TerminalText.truncated(text, to: 60)): \(error.message)")
        }
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
