package import BSON
package import MongoDriver

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
        try await request(.resume, of: selection, deadline: nil, by: by)
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

    private func request(
        _ request: RunnerControl.Request,
        of selection: RunnerSelection,
        deadline: Duration?,
        by: String?
    ) async throws(HubError) -> Int {
        if let deadline, deadline < .zero || deadline > .seconds(1e9) {
            throw .invalid("deadline", "deadline is \(deadline); it must be a time from now on, such as 10m")
        }
        let filter = RunnerStatements.filter(selection, project: project)
        let update = RunnerStatements.request(request, deadline: deadline, by: by)
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

extension RunnerRecord {
    /// The runners that somebody means by a word: an identifier, the beginning of one, or a name. Of those with that
    /// name the ones that have neither stopped nor been lost, unless there are no others.
    ///
    /// - Throws: `HubError.invalidInput` where it is the beginning of several identifiers.
    package static func matching(_ word: String, among runners: [RunnerRecord]) throws(HubError) -> [RunnerRecord] {
        let named = runners.filter { $0.name?.bytes == word.bytes }
        if !named.isEmpty {
            let alive = named.filter { $0.state != .stopped && $0.state != .lost }
            if !alive.isEmpty { return alive }
            let lost = named.filter { $0.state == .lost }
            return lost.isEmpty ? Array(named.suffix(1)) : lost
        }
        let digits = word.lowercased()
        guard !digits.isEmpty else { return [] }
        let found = runners.filter { $0.id.description.bytes.hasPrefix(digits.bytes) }
        if found.count > 1 {
            let ids = found.map(\.id.description).joined(separator: ", ")
            throw .invalid("runner", "'\(word)' is the beginning of several ids; give more of it: \(ids)")
        }
        return found
    }
}

/// What a runner tells of itself.
package struct RunnerBeat: Sendable {
    package var id: ObjectID
    package var host: String
    package var name: String
    package var pid: Int32
    package var version: String
    package var slots: Int
    package var labels: BSONDocument
    package var state: RunnerRecord.State
    package var lease: Duration
    /// `RunnerRecord.queryText`.
    package var query: String
    package var running: [RunningAttempt]
    package var done: Int
    package var blocked: Int
    /// What MongoDB does not take from it; `nil` leaves what is told there.
    package var refused: [RunnerRefusal]?
    /// How much it has found damaged on its machine.
    package var damaged: Int
    /// What it keeps to where the document does not say it: a pause that its predecessor was under.
    package var control: RunnerControl?

    package init(
        id: ObjectID,
        host: String,
        name: String,
        pid: Int32,
        version: String,
        slots: Int,
        labels: BSONDocument,
        state: RunnerRecord.State,
        lease: Duration,
        query: String,
        running: [RunningAttempt],
        done: Int,
        blocked: Int,
        refused: [RunnerRefusal]? = nil,
        damaged: Int = 0,
        control: RunnerControl?
    ) {
        self.id = id
        self.host = host
        self.name = name
        self.pid = pid
        self.version = version
        self.slots = slots
        self.labels = labels
        self.state = state
        self.lease = lease
        self.query = query
        self.running = running
        self.done = done
        self.blocked = blocked
        self.refused = refused
        self.damaged = damaged
        self.control = control
    }
}

/// The runner's own side, each safe to repeat.
extension Hub {
    /// Writes a sign of life; makes the document at the first one. Returns it with what is asked of the runner.
    package func beat(_ beat: RunnerBeat) async throws(HubError) -> RunnerRecord? {
        let stored = try await translatingErrors { () async throws(MongoError) in
            let filter: BSONDocument = ["_id": .objectID(beat.id)]
            func beatOnce() async throws(MongoError) -> BSONDocument? {
                try await runners.findAndModify(
                    filter,
                    .pipeline(RunnerStatements.beat(beat, project: project)),
                    projection: ["labels": 0, "query": 0, "running": 0],
                    upsert: true
                )
            }
            do throws(MongoError) {
                return try await beatOnce()
            } catch {
                guard Self.isRepeatedKey(error.serverCode) else { throw error }
                // Somebody has written a key into it twice: it is this runner's own, and made anew.
                try await runners.deleteOne(filter)
                return try await beatOnce()
            }
        }
        return stored.flatMap { RunnerRecord($0, silence: .zero, isLost: false) }
    }

    /// The runners of that name on that host, the one that started last at the end. A new one keeps to its pause.
    package func runners(named name: String, on host: String) async throws(HubError) -> [RunnerRecord] {
        var filter = RunnerStatements.filter(project: project)
        filter.append("host", .string(host))
        filter.append("name", .string(name))
        return try await findRunners(filter).sorted { ($0.started ?? .distantPast) < ($1.started ?? .distantPast) }
    }

    /// Deletes what earlier runners of that name on that host have left, and documents that are a month old.
    ///
    /// - Parameter dead: Runners whose processes are known to be gone.
    package func forgetRunners(
        before id: ObjectID,
        named name: String,
        on host: String,
        dead: [ObjectID] = []
    ) async throws(HubError) {
        let filter = RunnerStatements.outdated(by: id, host: host, name: name, dead: dead, project: project)
        _ = try await translatingErrors { () async throws(MongoError) in try await runners.deleteMany(filter) }
    }

    /// An event whenever something new is asked of that runner.
    package func watchControl(of id: ObjectID) -> ChangeStream {
        // The second request changes parts of the first, and the server names parts by their whole path.
        let nested: BSONValue = [
            "$getField": ["field": "control.time", "input": "$updateDescription.updatedFields"]
        ]
        return runners.watch(
            [
                [
                    "$match": [
                        "operationType": "update", "documentKey._id": .objectID(id),
                        "$or": [
                            ["updateDescription.updatedFields.control": ["$exists": true]],
                            ["$expr": ["$ne": [["$type": nested], "missing"]]],
                        ],
                    ]
                ],
                ["$project": ["documentKey": 1]],
            ],
            ChangeStreamOptions(maxAwaitTime: Self.longAwait)
        )
    }
}
