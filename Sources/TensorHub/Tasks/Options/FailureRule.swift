import BSON
import Glibc

/// What follows a failure of a certain kind, in place of a retry on any runner.
///
/// As text, for command lines: `exit=3:fail`, `signal=9:elsewhere`, `kind=timeout:fail`, `output=CUDA error:elsewhere`.
public struct FailureRule: Sendable, Hashable {
    /// What a failure must be like.
    public enum Condition: Sendable, Hashable {
        case exit(Int32)
        case signal(Int32)
        /// `TaskFailure.kind`.
        case kind(String)
        /// A POSIX extended regular expression that is found in the last 8 KiB of the output.
        case output(String)
    }

    /// What is done then.
    public enum Action: String, Sendable, Hashable, CaseIterable {
        /// Run again after the backoff, as without a rule.
        case retry
        /// The task is failed at once.
        case fail
        /// Run again, but not on this runner.
        case elsewhere
    }

    public var condition: Condition
    public var action: Action

    public init(_ condition: Condition, _ action: Action) {
        self.condition = condition
        self.action = action
    }

    /// Reads `CONDITION=VALUE:ACTION`; the action is what follows the last colon.
    ///
    /// - Throws: `HubError.invalidInput`, field `rules`, that says what is wrong.
    public init(parsing text: String) throws(HubError) {
        func refuse(_ what: String) -> HubError {
            .invalid(
                "rules",
                "the rule '\(text)' \(what); write exit=3:fail, signal=9:retry or output=CUDA error:elsewhere"
            )
        }
        guard let (name, rest) = text.bytes.cut(atFirst: "="), let (value, end) = rest.bytes.cut(atLast: ":") else {
            throw refuse("is no condition=value:action")
        }
        guard let action = Action(rawValue: end) else {
            throw refuse("has an action that is none of retry, fail and elsewhere")
        }
        switch name {
        case "exit":
            guard let status = Int32(value) else { throw refuse("has an exit status that is no number") }
            condition = .exit(status)
        case "signal":
            guard let signal = Int32(value) else { throw refuse("has a signal that is no number") }
            condition = .signal(signal)
        case "kind": condition = .kind(value)
        case "output": condition = .output(value)
        default: throw refuse("has a condition that is none of exit, signal, kind and output")
        }
        self.action = action
        try validate()
    }

    func validate() throws(HubError) {
        switch condition {
        case .exit(let status):
            if !(1...255).contains(status) {
                throw .invalid("rules", "a rule is about exit status \(status); failures have 1 to 255")
            }
        case .signal(let signal):
            if !(1...64).contains(signal) {
                throw .invalid("rules", "a rule is about signal \(signal); signals are 1 to 64")
            }
        case .kind(let kind):
            if kind.isEmpty { throw .invalid("rules", "a rule names an empty kind of failure") }
        case .output(let pattern):
            if pattern.isEmpty || pattern.utf8.contains(0) || Self.search(pattern, in: "") == nil {
                throw .invalid("rules", "a rule's output pattern '\(pattern)' is no POSIX extended regular expression")
            }
        }
    }

    package func matches(_ failure: TaskFailure, exit: Int32?, signal: Int32?) -> Bool {
        switch condition {
        case .exit(let status): exit == status
        case .signal(let number): signal == number
        case .kind(let kind): failure.kind == kind
        case .output(let pattern): Self.search(pattern, in: failure.tail ?? "") == true
        }
    }

    /// `nil` for a pattern that is none.
    private static func search(_ pattern: String, in text: String) -> Bool? {
        var compiled = regex_t()
        guard regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE) == 0 else { return nil }
        defer { regfree(&compiled) }
        return regexec(&compiled, text, 0, nil, 0) == 0
    }

    /// As it stands in `hub.rules`: the condition's name and value, and `then`.
    var document: BSONDocument {
        BSONDocument(elements: [element, ("then", .string(action.rawValue))])
    }

    public static func == (one: FailureRule, other: FailureRule) -> Bool { one.document == other.document }

    public func hash(into hasher: inout Hasher) { hasher.combine(document) }

    /// What `init(parsing:)` reads.
    public var text: String {
        "\(element.0)=\(element.1.stringValue ?? element.1.extendedJSON()):\(action.rawValue)"
    }

    private var element: (String, BSONValue) {
        switch condition {
        case .exit(let status): ("exit", .int32(status))
        case .signal(let number): ("signal", .int32(number))
        case .kind(let kind): ("kind", .string(kind))
        case .output(let pattern): ("output", .string(pattern))
        }
    }

    init?(_ document: BSONDocument) {
        guard let action = document["then"]?.stringValue.flatMap(Action.init) else { return nil }
        self.action = action
        if let status = document["exit"]?.intValue.flatMap({ Int32(exactly: $0) }) {
            condition = .exit(status)
        } else if let number = document["signal"]?.intValue.flatMap({ Int32(exactly: $0) }) {
            condition = .signal(number)
        } else if let kind = document["kind"]?.stringValue {
            condition = .kind(kind)
        } else if let pattern = document["output"]?.stringValue {
            condition = .output(pattern)
        } else {
            return nil
        }
    }
}
