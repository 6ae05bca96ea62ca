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

    /// Of `--where` and of `--filter`, where that is given: both must hold.
    func filter(_ json: String?, for subject: ShortFilter.Subject) throws -> Filter {
        var filter = try json.map { try Filter(extendedJSON: $0) } ?? .all
        for text in texts { filter = filter && (try Filter(short: text, for: subject)) }
        return filter
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
