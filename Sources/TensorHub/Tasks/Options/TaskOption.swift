package import BSON

/// A row of the table of options. Who stores, reads, checks, compares or shows options goes by the table, or is held
/// against it by a test: so every option is known everywhere.
package struct TaskOption: Sendable {
    package typealias Place<Value> = any WritableKeyPath<TaskOptions, Value> & Sendable

    /// Type, place and limits.
    package enum Value: Sendable {
        case number(Place<Int32>, least: Int32 = .min)
        case text(Place<String?>, hint: String)
        /// One of these words.
        case choice(Place<String?>, [String])
        case texts(Place<[String]>)
        /// Texts by name.
        case variables(Place<BSONDocument>)
        /// Seconds in documents, requests and Python.
        case duration(Place<Duration?>, zero: Bool = false)
        case time(Place<BSONDateTime?>)
        case flag(Place<Bool>)
        case rules(Place<[FailureRule]>)
        case files(Place<[TaskFile]>)
    }

    /// The field in `hub` and in requests, and the argument in Python.
    package let name: String
    package let value: Value
    /// What counts where it is not given, for people; nothing is said of nothing.
    package let fallback: String
    /// Of `tensorhub submit`, without dashes; empty for what stands behind `--`.
    package let flag: String
    /// The `hub.v` of a task that has it: runners that do not know the option leave such a task alone.
    package let version: Int32

    package init(
        _ name: String,
        _ value: Value,
        fallback: String = "",
        flag: String? = nil,
        version: Int32 = 1
    ) {
        self.name = name
        self.value = value
        self.fallback = fallback
        self.version = version
        self.flag = flag ?? name.bytes.split(separator: "_").map(\.text).joined(separator: "-")
    }

    /// In the order of the fields in `hub`.
    package static let all = [
        TaskOption("priority", .number(\.priority), fallback: "\(standard.priority)"),
        TaskOption("max_failures", .number(\.maxFailures, least: 1), fallback: "\(standard.maxFailures)"),
        TaskOption("not_before", .time(\.notBefore)),
        TaskOption("hold", .flag(\.hold), fallback: "false"),
        TaskOption(
            "interpreter",
            .text(\.interpreter, hint: "name a program such as python3"),
            fallback: "by the script"
        ),
        TaskOption(
            "backoff",
            .duration(\.givenBackoff, zero: true),
            fallback: "\(standard.backoff.components.seconds)"
        ),
        TaskOption("rules", .rules(\.rules), flag: "on"),
        TaskOption("timeout", .duration(\.timeout)),
        TaskOption("stall", .duration(\.stall)),
        TaskOption("deadline", .time(\.deadline)),
        TaskOption("grace", .duration(\.grace, zero: true), fallback: "the runner's"),
        TaskOption("args", .texts(\.arguments), flag: "", version: 2),
        TaskOption("command", .texts(\.command), flag: "", version: 2),
        TaskOption("parameter_args", .choice(\.styleName, ArgumentStyle.names), flag: "args", version: 2),
        TaskOption(
            "cwd",
            .text(\.workingDirectory, hint: "name a folder of the runners', such as /data/project"),
            version: 2
        ),
        TaskOption(
            "python",
            .text(\.python, hint: "name a program, a virtual environment or conda:NAME"),
            fallback: "the runner's",
            version: 2
        ),
        TaskOption("env", .variables(\.variables), version: 2),
        TaskOption("files", .files(\.files), flag: "file"),
    ]

    private static let standard = TaskOptions()

    /// As it stands in `hub`; `nil` where that is what counts anyway.
    package func stored(_ options: TaskOptions) -> BSONValue? {
        switch value {
        case .number(let place, _):
            let number = options[keyPath: place]
            return number == Self.standard[keyPath: place] ? nil : .int32(number)
        case .text(let place, _), .choice(let place, _): return options[keyPath: place].map(BSONValue.string)
        case .texts(let place):
            let texts = options[keyPath: place]
            return texts.isEmpty ? nil : .array(texts.map(BSONValue.string))
        case .variables(let place):
            let variables = options[keyPath: place]
            return variables.isEmpty ? nil : .document(variables)
        case .duration(let place, _): return options[keyPath: place].map { .double($0 / .seconds(1)) }
        case .time(let place): return options[keyPath: place].map(BSONValue.dateTime)
        case .flag(let place): return options[keyPath: place] ? true : nil
        case .rules(let place):
            let rules = options[keyPath: place]
            return rules.isEmpty ? nil : .array(rules.map { .document($0.document) })
        case .files(let place):
            let files = options[keyPath: place]
            return files.isEmpty ? nil : .array(files.map { .document($0.document) })
        }
    }

    /// What is stored also where the option is not given: claims and ends compute with numbers.
    var whereNotGiven: BSONValue? {
        if case .number(let place, _) = value { .int32(Self.standard[keyPath: place]) } else { nil }
    }

    /// A value of another type counts as not given; rules and files that cannot be read are left out.
    func read(_ stored: BSONValue, into options: inout TaskOptions) {
        switch value {
        case .number(let place, _):
            if let number = stored.intValue.flatMap({ Int32(exactly: $0) }) { options[keyPath: place] = number }
        case .text(let place, _), .choice(let place, _): options[keyPath: place] = stored.stringValue
        case .texts(let place): options[keyPath: place] = stored.arrayValue?.compactMap(\.stringValue) ?? []
        case .variables(let place): options[keyPath: place] = stored.documentValue ?? [:]
        case .duration(let place, _):
            let seconds = stored.doubleValue.flatMap { $0.isFinite && $0 >= 0 && $0 < 1e10 ? $0 : nil }
            options[keyPath: place] = seconds.map { .seconds($0) }
        case .time(let place): options[keyPath: place] = stored.dateTimeValue
        case .flag(let place): options[keyPath: place] = stored.boolValue ?? false
        case .rules(let place):
            options[keyPath: place] = stored.arrayValue?.compactMap { $0.documentValue.flatMap(FailureRule.init) } ?? []
        case .files(let place):
            options[keyPath: place] = stored.arrayValue?.compactMap { try? TaskFile(stored: $0) } ?? []
        }
    }

    /// The option alone, also where it is not given.
    package func copy(from source: TaskOptions, to options: inout TaskOptions) {
        read(stored(source) ?? whereNotGiven ?? .null, into: &options)
    }

    func check(_ options: TaskOptions) throws(HubError) {
        switch value {
        case .number(let place, let least) where options[keyPath: place] < least:
            throw .invalid(name, "\(name) is \(options[keyPath: place]); it must be at least \(least)")
        case .text(let place, let hint):
            guard let text = options[keyPath: place]?.utf8 else { return }
            if text.contains(0) || text.allSatisfy({ $0 == UInt8(ascii: " ") }) {
                throw .invalid(name, "the \(name) is empty; \(hint)")
            }
        case .texts(let place): try checkTexts(options[keyPath: place])
        case .variables(let place): try checkVariables(options[keyPath: place])
        case .duration(let place, let zero):
            guard let length = options[keyPath: place], length < .zero || (!zero && length == .zero) else { return }
            throw .invalid(name, "\(name) is \(length); it must be a positive number of seconds")
        case .rules(let place): for rule in options[keyPath: place] { try rule.validate() }
        case .files(let place): try StoredFile.validate(paths: options[keyPath: place].map(\.path))
        case .number, .time, .flag, .choice: return
        }
    }

    private func checkTexts(_ texts: [String]) throws(HubError) {
        guard texts.contains(where: { $0.utf8.contains(0) }) else { return }
        throw .invalid(name, "a text of \(name) holds a NUL character, which no program can be given; take it out")
    }

    private func checkVariables(_ variables: BSONDocument) throws(HubError) {
        if let key = variables.repeatedKey {
            throw .invalid("\(name).\(key)", "\(name) has the variable '\(key)' twice; give it once")
        }
        for (key, value) in variables {
            if key.isEmpty || key.utf8.contains(0) || key.utf8.contains(UInt8(ascii: "=")) {
                throw .invalid(name, "\(name): '\(key)' is no name of an environment variable; write NAME=value")
            }
            if key.bytes.hasPrefix("TENSORHUB_") {
                throw .invalid("\(name).\(key)", "\(name): TensorHub sets \(key) itself; choose another name")
            }
            guard let text = value.stringValue, !text.utf8.contains(0) else {
                throw .invalid("\(name).\(key)", "\(name): the value of \(key) must be a text without NUL characters")
            }
        }
    }
}
