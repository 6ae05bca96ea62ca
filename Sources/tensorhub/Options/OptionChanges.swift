import ArgumentParser
import BSON
import Console
import TensorHub

/// Options of tasks that are there, as `set` and `rerun` change them. `none` takes one away.
struct OptionChanges: ParsableArguments {
    @Option(
        name: .customLong("arg"),
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "An argument of the script, in place of all that it has; may be repeated. Or none.",
            valueName: "arg"
        )
    )
    var args: [String] = []

    @Option(
        name: .customLong("args"),
        help: ArgumentHelp("How all hyper-parameters are handed over as arguments, or none.", valueName: "form"),
        completion: .list(ArgumentStyle.allCases.map(\.rawValue) + [Self.none])
    )
    var parameterArguments: String?

    @Option(help: "Higher goes first.")
    var priority: Int32?

    @Option(help: "How often the script may fail until its task is failed.")
    var maxFailures: Int32?

    @Option(help: "The wait after the first failure: 10s, 5m; 0s for none at all.")
    var backoff: String?

    @Option(
        name: .customLong("on"),
        help: ArgumentHelp(
            "What follows a failure, in place of all rules, or none.",
            valueName: "condition=value:action"
        )
    )
    var rules: [String] = []

    @Option(help: "The longest that an attempt may take, or none.")
    var timeout: String?

    @Option(help: "The longest that the script may print nothing, or none.")
    var stall: String?

    @Option(help: "From SIGTERM to SIGKILL, or none for the runner's.")
    var grace: String?

    @Option(help: "Not to be started before: 18:00, +2h, 2026-08-01T09:00:00Z, or none.")
    var notBefore: String?

    @Option(help: "Failed if no runner has taken it by then, or none.")
    var deadline: String?

    @Option(help: "The program that runs the script, or none for what the script says.")
    var interpreter: String?

    @Option(help: "The Python to run it: a program, a virtual environment or conda:NAME; or none.")
    var python: String?

    @Option(help: "A folder of the runners' to run it in, or none.")
    var cwd: String?

    @Option(help: ArgumentHelp("A variable of its environment; NAME= alone is empty.", valueName: "name[=value]"))
    var env: [String] = []

    var isGiven: Bool {
        let texts = [
            parameterArguments, backoff, timeout, stall, grace, notBefore, deadline, interpreter, python, cwd,
        ]
        return priority != nil || maxFailures != nil || texts.contains { $0 != nil }
            || ![args, rules, env].allSatisfy(\.isEmpty)
    }

    /// What takes an option away.
    static let none = "none"

    /// The words of a change, read and checked.
    ///
    /// - Parameter hub: For times that count from the server's clock.
    func change(_ hub: Hub) async throws -> @Sendable (inout TaskOptions) -> Void {
        var changes: [@Sendable (inout TaskOptions) -> Void] = []
        func set<Value: Sendable>(_ place: any WritableKeyPath<TaskOptions, Value> & Sendable, _ value: Value?) {
            if let value { changes.append { $0[keyPath: place] = value } }
        }
        if !args.isEmpty { set(\.arguments, Self.isNone(args) ? [] : args) }
        set(\.parameterArguments, try parameterArguments.map(Self.style))
        set(\.priority, priority)
        set(\.maxFailures, maxFailures)
        set(\.backoff, try WrittenTime.duration(backoff, "--backoff"))
        if !rules.isEmpty {
            set(\.rules, Self.isNone(rules) ? [] : try rules.map { try FailureRule(parsing: $0) })
        }
        for (place, text, flag) in [
            (\TaskOptions.timeout, timeout, "--timeout"), (\.stall, stall, "--stall"), (\.grace, grace, "--grace"),
        ] as [(any WritableKeyPath<TaskOptions, Duration?> & Sendable, String?, String)] {
            set(place, try optional(text) { text throws(CommandFailure) in try WrittenTime.duration(text, flag) })
        }
        for (place, text) in [
            (\TaskOptions.interpreter, interpreter), (\.python, python), (\.workingDirectory, cwd),
        ] as [(any WritableKeyPath<TaskOptions, String?> & Sendable, String?)] {
            set(place, optional(text) { $0 })
        }
        set(\.notBefore, try await time(notBefore, "--not-before", hub))
        set(\.deadline, try await time(deadline, "--deadline", hub))
        let variables = try SentVariables.document(env)
        if !variables.isEmpty { changes.append { $0.variables = $0.variables.merging(variables) } }
        return { [changes] options in for change in changes { change(&options) } }
    }

    private static func isNone(_ texts: [String]) -> Bool { texts.count == 1 && texts[0].bytes == none.bytes }

    /// `nil` where nothing was given; a `nil` within for `none`.
    private func optional<Value>(_ text: String?, _ read: (String) throws -> Value?) rethrows -> Value?? {
        guard let text else { return nil }
        return text.bytes == Self.none.bytes ? .some(nil) : .some(try read(text))
    }

    private func time(_ text: String?, _ flag: String, _ hub: Hub) async throws -> BSONDateTime?? {
        guard let text else { return nil }
        return text.bytes == Self.none.bytes ? .some(nil) : .some(try await WrittenTime.time(text, flag, hub))
    }

    private static func style(_ text: String) throws(CommandFailure) -> ArgumentStyle? {
        if text.bytes == none.bytes { return nil }
        guard let style = ArgumentStyle(rawValue: text) else {
            let words = ArgumentStyle.allCases.map(\.rawValue).joined(separator: ", ")
            throw .badInput("--args is '\(text)'; it must be one of \(words) or \(none)")
        }
        return style
    }
}
