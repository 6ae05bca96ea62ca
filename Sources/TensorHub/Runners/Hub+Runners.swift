import BSON
import MongoDriver

/// Looking at runners, and asking something of them.
extension Hub {
    /// The runners of the project, by name, then the oldest first; those that have stopped too.
    public func findRunners() async throws(HubError) -> [RunnerRecord] {
        try await findRunners(RunnerStatements.filter(project: project))
    }

    /// One runner, by its identifier, the beginning of it, or its name. Of several with that name the one that has
    /// neither stopped nor been lost.
    ///
    /// - Throws: `HubError.notFound`; `.invalidInput` where several are meant.
    public func runner(_ word: String) async throws(HubError) -> RunnerRecord {
        let found = try RunnerRecord.matching(word, among: try await findRunners())
        guard let runner = found.first else {
            throw HubError(.notFound, "no runner '\(word)' in project '\(project)' of database '\(database.name)'")
        }
        if found.count > 1 {
            let ids = found.map(\.id.description).joined(separator: ", ")
            throw .invalid("runner", "'\(word)' is the name of \(found.count) runners; give an id: \(ids)")
        }
        return runner
    }

    /// Has runners claim nothing more and wait, once what runs has ended, until they are resumed.
    ///
    /// - Parameters:
    ///   - deadline: From now; what still runs then is stopped with grace and goes back to pending.
    ///   - by: Who wants it, for the record.
    /// - Returns: How many runners it concerned.
    @discardableResult
    public func drainRunners(
        _ selection: RunnerSelection,
        deadline: Duration? = nil,
        by: String? = nil
    ) async throws(HubError) -> Int {
        try await request(.drain, of: selection, deadline: deadline, by: by)
    }

    /// Has runners claim nothing until they are resumed, also after a restart; what runs goes on.
    @discardableResult
    public func pauseRunners(_ selection: RunnerSelection, by: String? = nil) async throws(HubError) -> Int {
        try await request(.pause, of: selection, deadline: nil, by: by)
    }

    /// Has runners claim again, whatever was asked of them before. One that has ended stays so.
    @discardableResult
    public func resumeRunners(_ selection: RunnerSelection, by: String? = nil) async throws(HubError) -> Int {
        let count = try await request(.resume, of: selection, deadline: nil, by: by)
        try await forgetLacks(of: selection)
        return count
    }

    /// Whoever resumes a runner has seen to what its machine did not have: tasks that went elsewhere may come back.
    private func forgetLacks(of selection: RunnerSelection) async throws(HubError) {
        let runners = try await findRunners(RunnerStatements.filter(selection, project: project))
        let hosts = runners.compactMap(\.host).uniqueByBytes()
        if hosts.isEmpty { return }
        let (filter, update) = TaskStatements.forgetLacks(project: project, hosts: hosts)
        _ = try await translatingErrors { () async throws(MongoError) in
            try await tasks.updateMany(filter, again: filter, .pipeline(update))
        }
    }

    /// Drains runners and ends their processes. A service manager that always restarts them starts new ones.
    @discardableResult
    public func stopRunners(
        _ selection: RunnerSelection,
        deadline: Duration? = nil,
        by: String? = nil
    ) async throws(HubError) -> Int {
        try await request(.stop, of: selection, deadline: deadline, by: by)
    }

    package func request(
        _ request: RunnerControl.Request,
        of selection: RunnerSelection,
        deadline: Duration?,
        by: String?,
        reason: String? = nil
    ) async throws(HubError) -> Int {
        if let deadline, deadline < .zero || deadline > .seconds(1e9) {
            throw .invalid("deadline", "deadline is \(deadline); it must be a time from now on, such as 10m")
        }
        let filter = RunnerStatements.filter(selection, project: project)
        let update = RunnerStatements.request(request, deadline: deadline, by: by, reason: reason)
        return try await translatingErrors { () async throws(MongoError) in
            // Asked for twice, it is the same request.
            let runners = runners.idempotent
            do throws(MongoError) {
                return try await runners.updateMany(filter, .pipeline(update)).matched
            } catch {
                guard Self.isRepeatedKey(error.serverCode ?? error.writeErrors.first?.code) else { throw error }
                return try await runners.updateMany(Self.sound(filter), .pipeline(update)).matched
            }
        }
    }

    func findRunners(_ filter: BSONDocument) async throws(HubError) -> [RunnerRecord] {
        let pipeline = [["$match": .document(filter)]] + RunnerStatements.read + [["$sort": ["_id": 1]]]
        let found = try await translatingErrors { () async throws(MongoError) in
            try await runners.aggregateAll(pipeline)
        }
        return found.compactMap(Self.record).sorted { (($0.name ?? "").bytes, $0.id) < (($1.name ?? "").bytes, $1.id) }
    }

    private static func record(_ found: BSONDocument) -> RunnerRecord? {
        guard let document = found["document"]?.documentValue else { return nil }
        let milliseconds = found["silence"]?.doubleValue.flatMap { $0.isFinite && abs($0) < 1e15 ? Int64($0) : nil }
        return RunnerRecord(
            document,
            silence: milliseconds.map { .milliseconds(max(0, $0)) },
            isLost: found["lost"]?.boolValue ?? false
        )
    }
}
