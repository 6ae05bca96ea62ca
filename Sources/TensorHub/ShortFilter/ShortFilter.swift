import BSON

/// A filter as people write it on a command line: words separated by blanks, all of which must hold.
///
/// ```swift
/// hub.findTasks(try Filter(short: "state:failed name:mnist* lr<0.01 accuracy>0.9"))
/// ```
/// The language is described in docs/filters.md. Reading it needs no server, and what it becomes is a MongoDB filter of
/// comparisons, anchored or escaped patterns and `$expr` alone: nothing that is written in it is taken for an operator.
public struct ShortFilter: Sendable {
    /// What a filter chooses among: which fields there are, and where a bare name is looked for.
    public enum Subject: Sendable, CaseIterable {
        case tasks, dataSets, models, logs
    }

    /// In the order in which they were written; at least one.
    let conditions: [ShortCondition]

    /// Conditions in one filter.
    static let most = 50
    /// Bytes of one name or value.
    static let longest = 1000

    /// - Parameter field: What the text was given as, for errors.
    /// - Throws: `HubError.invalidInput` of that field that names the word, its place and the fix; also for an empty
    ///   text, which somebody's empty variable may be.
    public init(_ text: String, field: String = "where") throws(HubError) {
        var scanner = ShortScanner(text, field: field)
        var conditions: [ShortCondition] = []
        while let condition = try scanner.next() { conditions.append(condition) }
        if conditions.isEmpty {
            throw .invalid(
                field,
                "\(field): there is no condition in it; write one such as 'state:failed', or leave it out"
            )
        }
        if conditions.count > Self.most {
            throw .invalid(field, "\(field): \(conditions.count) conditions are too many; \(Self.most) is the limit")
        }
        self.conditions = conditions
    }

    private init(_ conditions: [ShortCondition]) { self.conditions = conditions }

    /// The same filter with identifiers in the place of numbers of tasks (`id:412`, `task:410..420`).
    ///
    /// - Throws: `HubError.invalidInput` for what is neither, `.notFound` for a number that no task of the project has.
    public func resolved(by hub: Hub) async throws(HubError) -> ShortFilter {
        var resolved = self.conditions
        for (index, condition) in conditions.enumerated() {
            guard let references = try condition.references() else { continue }
            let ids = try await hub.tasks(meant: references).selection.ids
            resolved[index] = condition.replacing(by: ids)
        }
        return ShortFilter(resolved)
    }

    /// Whether such documents can be compared so, as far as that can be told without a hub.
    ///
    /// - Throws: As ``filter(for:)``; numbers of tasks pass.
    public func check(for subject: Subject) throws(HubError) {
        let conditions = try conditions.map { condition throws(HubError) in
            try condition.references() == nil ? condition : condition.replacing(by: [ObjectID()])
        }
        _ = try ShortFilter(conditions).filter(for: subject)
    }

    /// - Throws: `HubError.invalidInput` for a field that such documents do not have, or a value that
    ///   cannot be compared so; also for numbers of tasks, which a hub looks up: ``resolved(by:)``.
    public func filter(for subject: Subject) throws(HubError) -> Filter {
        let vocabulary = ShortVocabulary.of(subject)
        var documents: [BSONDocument] = []
        for condition in conditions {
            guard let document = try vocabulary.document(of: condition) else {
                throw condition.name.fault(
                    "\(vocabulary.noun) have nothing of that kind; "
                        + "their fields are \(vocabulary.fields.joined(separator: ", "))"
                )
            }
            documents.append(document)
        }
        return Self.all(documents)
    }

    /// The same; `nil` where a condition is about something that such documents never have, as `state:failed` of a
    /// model: none matches.
    func filterIfAny(for subject: Subject) throws(HubError) -> Filter? {
        let vocabulary = ShortVocabulary.of(subject)
        var documents: [BSONDocument] = []
        for condition in conditions {
            guard let document = try vocabulary.document(of: condition) else { return nil }
            documents.append(document)
        }
        return Self.all(documents)
    }

    /// Whether it says in which states tasks may be: then no state needs to be assumed.
    public var isAboutState: Bool {
        conditions.contains { condition in
            guard case .field(let field, _) = condition else { return false }
            return ["state", "status"].hasBytes(of: field.text)
        }
    }

    private static func all(_ documents: [BSONDocument]) -> Filter {
        documents.count == 1 ? Filter(documents[0]) : Filter(["$and": .array(documents.map(BSONValue.document))])
    }
}

extension Filter {
    /// A filter in the short language: `state:failed lr<0.01 accuracy>0.9`; see ``ShortFilter``.
    ///
    /// - Throws: `HubError.invalidInput` of field `where` that names the word, its place and the fix.
    public init(short text: String, for subject: ShortFilter.Subject = .tasks) throws(HubError) {
        self = try ShortFilter(text).filter(for: subject)
    }
}
