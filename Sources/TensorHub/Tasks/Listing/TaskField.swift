import BSON

/// Something that tasks are listed, ordered and put together by, as people write it.
///
/// | written | is |
/// |---|---|
/// | `state`, `host`, `duration`, ... | a field of every task's: ``Own`` |
/// | `result.loss`, `tag.owner`, `parameter.lr`, `hub.priority` | that place |
/// | any other name | in each task the first that is there: the result, the tag, the hyper-parameter |
package struct TaskField: Sendable, Hashable {
    package enum Own: String, CaseIterable, Sendable {
        case id, number, name, state, attempt, age, time, started, ended, duration, host, runner, script, failure
        case parameters, result, tags
    }

    package enum Place: Sendable, Hashable {
        case own(Own)
        /// Of the document.
        case path(String)
        /// Of the document; the first that is there counts.
        case firstOf([String])
    }

    /// As it was written.
    package let text: String
    package let place: Place

    package static func own(_ own: Own) -> TaskField { TaskField(text: own.rawValue, place: .own(own)) }

    private init(text: String, place: Place) {
        self.text = text
        self.place = place
    }

    /// - Parameter option: What the name was given to, for errors: `sort`.
    /// - Throws: `HubError.invalidInput` of that field for what can be no name.
    package init(_ text: String, option: String) throws(HubError) {
        self.text = text
        func fault(_ what: String) -> HubError { .invalid(option, "\(option): '\(text)': \(what)") }
        if text.isEmpty || text.utf8.contains(0) {
            throw .invalid(option, "\(option): a name is empty or has a NUL character; write names as loss,lr")
        }
        if let own = Self.words[text.bytes] {
            place = .own(own)
        } else if let path = try ShortVocabulary.tasks.explicitPath(text, fault: fault) {
            place = .path(path)
        } else if TaskSpec.reservedNames.contains(text.bytes) {
            place = .path(text)
        } else {
            place = .firstOf(ShortVocabulary.tasks.chainPaths(text))
        }
    }

    /// One that has one value, by which tasks can be ordered or put together.
    ///
    /// - Throws: As the other; for a whole document.
    package init(single text: String, option: String) throws(HubError) {
        try self.init(text, option: option)
        switch place {
        case .own(.parameters), .own(.result), .own(.tags):
            throw .invalid(option, "\(option): '\(text)' is all of them; name one, such as loss or parameter.lr")
        default: break
        }
    }

    /// Several, separated by commas.
    ///
    /// - Parameter isSingle: Whether each has to have one value.
    /// - Throws: As the others; for a name that is given twice.
    package static func list(
        _ text: String,
        option: String,
        isSingle: Bool = false
    ) throws(HubError) -> [TaskField] {
        var fields: [TaskField] = []
        for name in text.bytes.split(separator: ",", omittingEmptySubsequences: false) {
            let field =
                try isSingle
                ? TaskField(single: name.text, option: option) : TaskField(name.text, option: option)
            if fields.contains(where: { $0.place == field.place }) {
                throw .invalid(option, "\(option): '\(name)' is given twice; give it once")
            }
            fields.append(field)
        }
        return fields
    }

    /// The words of ours, and what else they are called: in the document, in tables, in short filters.
    private static let words: [ByteString: Own] = {
        var words = [ByteString: Own](uniqueKeysWithValues: Own.allCases.map { ($0.rawValue.bytes, $0) })
        words["_id"] = .id
        words["task_name"] = .name
        words["status"] = .state
        words["hyper_parameters"] = .parameters
        words["hyper-parameters"] = .parameters
        return words
    }()

    /// The names that are fields of ours, for suggestions.
    static var ownNames: [String] { Own.allCases.map(\.rawValue) }
}
