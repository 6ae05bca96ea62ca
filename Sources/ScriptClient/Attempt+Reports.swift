public import BSON

extension Attempt {
    /// What the hub sets itself in every log entry.
    private static let reservedNames: Set<ByteString> = ["_id", "project_name", "time", "hub"]

    /// Adds an entry to a log of the task. Waits for nobody: entries are delivered in order in the background, each
    /// once, also over a restart of the daemon. Only where 64 MiB of them wait already the caller waits with them.
    ///
    /// - Throws: `ScriptError`: `invalidInput` for an empty entry, `reservedField` for `_id`, `project_name`, `time`,
    ///   `hub`; `wrongState` after `finish()`. What the runner finds at fault later is told on standard error.
    public func report(_ entry: BSONDocument, to log: Log = .training) throws(ScriptError) {
        guard !entry.isEmpty else {
            throw ScriptError(.invalidInput, "an entry of a log needs at least one value, such as [\"loss\": 0.3]")
        }
        for (name, _) in entry where Self.reservedNames.contains(name.bytes) {
            throw ScriptError(.reservedField, field: name, "\(name) is set by the hub; give the value another name")
        }
        var document: BSONDocument = ["_id": .objectID(ObjectID())]
        for (name, value) in entry { document.append(name, value) }
        try reporter.put(Report.logs(log.rawValue), document.extendedJSON())
    }

    /// Tells how far the script is: a fraction from 0 to 1, words, or both. Only the latest counts; waits for nobody.
    ///
    /// - Throws: `ScriptError`: `invalidInput` for another fraction, or for neither; `wrongState` after `finish()`.
    public func progress(_ fraction: Double? = nil, message: String? = nil) throws(ScriptError) {
        var body: BSONDocument = [:]
        if let fraction {
            guard (0...1).contains(fraction) else {
                throw ScriptError(.invalidInput, field: "fraction", "fraction: \(fraction) is not from 0 to 1")
            }
            body.append("fraction", .double(fraction))
        }
        if let message { body.append("message", .string(message)) }
        guard !body.isEmpty else {
            throw ScriptError(.invalidInput, "progress needs a fraction, a message, or both")
        }
        try reporter.put(Report.progress, body.extendedJSON())
    }

    /// Merges values into the results of the task; the last value of a name counts. Returns once the runner has them,
    /// or after ten seconds; then they are delivered as soon as it answers.
    ///
    /// - Throws: `ScriptError` for what the runner does not take; `wrongState` after `finish()`.
    public func saveResults(_ results: BSONDocument) async throws {
        guard !results.isEmpty else { return }
        if try await !reporter.send(Report.results, results.extendedJSON()) {
            Note.write("the runner does not answer; results are delivered later")
        }
    }

    /// Waits until everything reported so far is with the runner, which has it on its disk then.
    ///
    /// - Returns: `false` when the time is over before.
    @discardableResult
    public func flush(within limit: Duration? = nil) async -> Bool { await reporter.flush(within: limit) }
}
