import ArgumentParser
import TensorHub

/// Conditions in the short language, beside `--filter`, which is MongoDB's own.
struct WhereOptions: ParsableArguments {
    @Option(
        name: .customLong("where"),
        help: """
            Short conditions, all of which must hold: 'state:failed name:mnist* lr<0.01 accuracy>0.9'; may be \
            repeated. What they may be about is in docs/filters.md.
            """
    )
    var texts: [String] = []

    var isGiven: Bool { !texts.isEmpty }

    /// Whether it says in which states tasks may be.
    func isAboutState() throws -> Bool { try texts.contains { try ShortFilter($0).isAboutState } }

    /// What was written, as far as that can be checked without a hub.
    func checked(for subject: ShortFilter.Subject) throws -> [ShortFilter] {
        try texts.map { text in
            let filter = try ShortFilter(text)
            try filter.check(for: subject)
            return filter
        }
    }

    /// Of `--filter`.
    static func filter(_ json: String?) throws -> Filter { try json.map { try Filter(extendedJSON: $0) } ?? .all }

    /// Of `--where` and of `--filter`, where that is given: both must hold.
    func filter(_ json: String?, for subject: ShortFilter.Subject, _ hub: Hub) async throws -> Filter {
        var filter = try Self.filter(json)
        for condition in try checked(for: subject) {
            filter = filter && (try await condition.resolved(by: hub).filter(for: subject))
        }
        return filter
    }

    /// Bad input is told before a server is looked for.
    func check(_ json: String?, for subject: ShortFilter.Subject) throws {
        _ = try Self.filter(json)
        _ = try checked(for: subject)
    }
}

extension ShortFilter.Subject {
    /// What one of them is called in messages.
    var noun: String {
        switch self {
        case .tasks: "task"
        case .dataSets: "data set"
        case .models: "model"
        case .logs: "entry"
        }
    }
}
