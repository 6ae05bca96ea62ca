public import BSON
import MongoDriver

extension Hub {
    /// Tasks ahead of another are not counted beyond this.
    public static let countLimit = 10_000
    /// The longest that the server counts in an order that no index has.
    static let countTime: Duration = .seconds(2)

    /// Why a task is where it is: what a pending one waits for, runner by runner; where a running one runs; how an
    /// ended one came to its end. A look from outside: by the time it is read it may have changed.
    ///
    /// - Throws: `HubError.notFound`.
    public func explain(_ id: ObjectID) async throws(HubError) -> TaskExplanation {
        try await expectIndexes()
        guard let task = try await findTasks(.ids([id])).first else {
            throw HubError(.notFound, "no task \(id) in project '\(project)' of database '\(database.name)'")
        }
        let now = try await serverTime()
        let situation: TaskExplanation.Situation
        switch task.status {
        case .pending: situation = .pending(try await explainWaiting(task, id, now: now))
        case .running: situation = .running(try await explainExecution(task, id, now: now))
        default: situation = .ended
        }
        return TaskExplanation(task: task, time: now, situation: situation)
    }

    // MARK: Pending

    private func explainWaiting(
        _ task: TaskRecord,
        _ id: ObjectID,
        now: BSONDateTime
    ) async throws(HubError) -> TaskExplanation.Waiting {
        let runners = Self.relevant(try await findRunners())
        let taken = try await countAttempts(of: runners.map(\.id))
        var answers: [ByteString: Answer] = [:]
        var candidates: [TaskExplanation.Candidate] = []
        for runner in runners {
            // Runners mostly ask for the same.
            let key = RunnerRecord.queryText(names: runner.taskNames, filter: runner.filter, sort: runner.sort).bytes
            let answer: Answer
            if let known = answers[key] { answer = known } else { answer = try await ask(runner, about: task, id) }
            answers[key] = answer
            var obstacles = answer.obstacles
            obstacles += task.refusals(of: runner)
            let isNever = obstacles.contains { $0.isLasting }
            if let refusal = runner.refused.first(where: { $0.kind == .claims }) { obstacles.append(.refused(refusal)) }
            if let obstacle = Self.obstacle(of: runner, taken: taken[runner.id] ?? 0) {
                obstacles.insert(obstacle, at: 0)
            }
            candidates.append(.init(runner: runner, obstacles: obstacles, ahead: isNever ? nil : answer.ahead))
        }
        var obstacles = task.obstacles(now: now)
        if runners.isEmpty { obstacles.append(.noRunner) }
        return TaskExplanation.Waiting(
            obstacles: obstacles,
            ahead: try await countAhead(of: task, id, ClaimQuery()) ?? TaskCount(number: 0, isCapped: false),
            deadline: task.deadline,
            candidates: candidates
        )
    }

    /// What a runner's query says about a task.
    private struct Answer {
        var obstacles: [RunnerObstacle] = []
        var ahead: TaskCount?
    }

    /// Runners that may matter: not those that have stopped, nor lost ones whose successor is there.
    private static func relevant(_ runners: [RunnerRecord]) -> [RunnerRecord] {
        let living = runners.filter { $0.state != .lost && $0.state != .stopped }
        let newest = Dictionary(
            living.map { ([$0.host?.bytes, $0.name?.bytes], $0.started ?? .distantPast) },
            uniquingKeysWith: max
        )
        return runners.filter { runner in
            if runner.state == .stopped { return false }
            guard runner.state == .lost, let successor = newest[[runner.host?.bytes, runner.name?.bytes]] else {
                return true
            }
            return successor <= runner.started ?? .distantPast
        }
    }

    /// - Parameter taken: Attempts under its leases; those that hold blocked slots are mostly among them.
    private static func obstacle(of runner: RunnerRecord, taken: Int) -> RunnerObstacle? {
        switch runner.state {
        case .lost: return .lost(silence: runner.silence)
        case .paused: return .paused(runner.control)
        case .draining: return .draining(runner.control)
        case .drained: return .drained(runner.control)
        case .stopping: return .stopping(runner.control)
        default:
            return max(taken, runner.blocked) >= runner.slots
                ? .full(slots: runner.slots, blocked: runner.blocked) : nil
        }
    }

    private func ask(_ runner: RunnerRecord, about task: TaskRecord, _ id: ObjectID) async throws(HubError) -> Answer {
        var answer = Answer(obstacles: try await queryObstacles(of: runner, for: task, id))
        if answer.obstacles.isEmpty {
            let query = ClaimQuery(names: runner.taskNames, filter: runner.filter, sort: runner.sort)
            answer.ahead = try await countAhead(of: task, id, query)
        }
        return answer
    }

    /// What a runner's names and filter say against a task.
    func queryObstacles(
        of runner: RunnerRecord,
        for task: TaskRecord,
        _ id: ObjectID
    ) async throws(HubError) -> [RunnerObstacle] {
        var obstacles: [RunnerObstacle] = []
        if !runner.taskNames.isEmpty, !runner.taskNames.hasBytes(of: task.name ?? "") {
            obstacles.append(.otherNames(runner.taskNames))
        }
        if !runner.filter.document.isEmpty {
            do {
                // The document may be anybody's.
                try QueryDanger.check(runner.filter.document, field: "filter")
                let filter: BSONDocument = ["_id": .objectID(id), "$and": [.document(runner.filter.document)]]
                let found = try await translatingErrors { () async throws(MongoError) in
                    try await tasks.findOne(filter, FindOptions(projection: ["_id": 1]))
                }
                if found == nil { obstacles.append(.filtered(runner.filter)) }
            } catch {
                guard Self.isRefused(error) || error.code == .invalidInput else { throw error }
                obstacles.append(.filterFails(error.message))
            }
        }
        return obstacles
    }

    /// How many attempts each runner has under its leases. Fresher than what the runners tell.
    package func countAttempts(of ids: [ObjectID]) async throws(HubError) -> [ObjectID: Int] {
        if ids.isEmpty { return [:] }
        let pipeline: [BSONDocument] = [
            ["$match": ["hub.lease.runner": ["$in": .array(ids.map(BSONValue.objectID))], "status": "running"]],
            ["$group": ["_id": "$hub.lease.runner", "count": ["$sum": 1]]],
        ]
        let groups = try await translatingErrors { () async throws(MongoError) in try await tasks.aggregateAll(pipeline)
        }
        var counts: [ObjectID: Int] = [:]
        for group in groups {
            if let id = group["_id"]?.objectIDValue { counts[id] = group["count"]?.intValue ?? 0 }
        }
        return counts
    }

    // MARK: Place in line

    /// How many ready tasks a runner with this query takes before that one; `nil` where the server cannot tell.
    private func countAhead(
        of task: TaskRecord,
        _ id: ObjectID,
        _ query: ClaimQuery
    ) async throws(HubError) -> TaskCount? {
        let base = query.document(project: project)
        let filters: [BSONDocument]
        if query.sort == nil, let ranges = Self.ahead(of: task, id, in: base) {
            filters = ranges
        } else if let condition = Self.isAhead(of: task, in: query.order) {
            var filter = base
            filter.append("$expr", condition)
            filters = [filter]
        } else {
            return nil
        }
        var number = 0
        for filter in filters where number < Self.countLimit {
            let pipeline: [BSONDocument] = [
                ["$match": .document(filter)], ["$limit": .init(smallest: Self.countLimit - number)],
                ["$group": ["_id": 1, "n": ["$sum": 1]]],
            ]
            do {
                let found = try await translatingErrors { () async throws(MongoError) in
                    try await tasks.aggregateAll(pipeline, AggregateOptions(maxTime: Self.countTime))
                }
                number += found.first?["n"]?.intValue ?? 0
            } catch {
                guard Self.isRefused(error) else { throw error }
                return nil
            }
        }
        return TaskCount(number: number, isCapped: number >= Self.countLimit)
    }

    /// The three ranges of the claim index before a task; `nil` where its place in the index is odd.
    package static func ahead(of task: TaskRecord, _ id: ObjectID, in base: BSONDocument) -> [BSONDocument]? {
        guard let priority = task.document.value(atPath: "hub.priority"), priority.doubleValue?.isFinite == true,
            let time = task.time
        else { return nil }
        var higher = base
        higher.append("hub.priority", ["$gt": priority])
        var older = base
        older.append("hub.priority", priority)
        older.append("time", ["$lt": .dateTime(time)])
        var sameTime = base
        sameTime.append("hub.priority", priority)
        sameTime.append("time", .dateTime(time))
        sameTime["_id"] = ["$lt": .objectID(id)]
        return [higher, older, sameTime]
    }

    /// Whether a task comes before that one in an order, as an expression: the first field that differs decides.
    /// Missing fields count as null, as in a sort. `nil` for an order that is not made of fields and directions.
    static func isAhead(of task: TaskRecord, in order: BSONDocument) -> BSONValue? {
        var branches: [BSONValue] = []
        var equal: [BSONValue] = []
        for (field, direction) in order {
            guard let direction = direction.intValue, abs(direction) == 1, !field.bytes.hasPrefix("$") else {
                return nil
            }
            let theirs: BSONValue = ["$ifNull": [.string("$\(field)"), .null]]
            let ours: BSONValue = ["$literal": task.document.value(atPath: field) ?? .null]
            branches.append(["$and": .array(equal + [[(direction > 0 ? "$lt" : "$gt"): [theirs, ours]]])])
            equal.append(["$eq": [theirs, ours]])
        }
        return branches.isEmpty ? nil : ["$or": .array(branches)]
    }

    /// Whether the server could not do what the runner's own words ask, or not in time; everything else is an error of
    /// the call.
    private static func isRefused(_ error: HubError) -> Bool {
        guard error.code == .database, let error = error.underlying as? MongoError else { return false }
        return error.serverCode != nil && !error.isRetryable
    }

    // MARK: Running

    private func explainExecution(
        _ task: TaskRecord,
        _ id: ObjectID,
        now: BSONDateTime
    ) async throws(HubError) -> TaskExplanation.Execution {
        var runner: RunnerRecord?
        if let lease = task.lease {
            var filter = RunnerStatements.filter(project: project)
            filter["_id"] = .objectID(lease.runner)
            runner = try await findRunners(filter).first
        }
        let chunks: BSONDocument = ["task_id": .objectID(id), "attempt": .init(smallest: task.attempt)]
        let newest = try await translatingErrors { () async throws(MongoError) in
            try await output.findOne(chunks, FindOptions(sort: ["seq": -1], projection: ["time": 1]))
        }
        return TaskExplanation.Execution(
            host: task.history.last?.host ?? runner?.name,
            runner: runner,
            lease: task.lease,
            isLeaseExpired: task.lease.map { $0.expires < now } ?? false,
            lastOutput: newest?["time"]?.dateTimeValue,
            cancel: task.document.value(atPath: "hub.cancel")?.documentValue.map(TaskExplanation.CancelRequest.init),
            refused: runner?.refused.filter { $0.task == id || $0.kind == .reports || $0.kind == .leases } ?? []
        )
    }
}

extension TaskRecord {
    /// What it says itself against a runner: where it has been, and is not to go again.
    func refusals(of runner: RunnerRecord) -> [RunnerObstacle] {
        let lack = lacks.last { $0.host.bytes == runner.host?.bytes }
        return (avoided.hasBytes(of: runner.name ?? "") ? [.avoided] : []) + (lack.map { [.lacks($0)] } ?? [])
    }

    /// What keeps every runner from taking it.
    func obstacles(now: BSONDateTime) -> [TaskObstacle] {
        if let key = repeatedKey { return [.repeatedKey(key)] }
        if let newerVersion { return [.newerVersion(newerVersion)] }
        if isHeld { return [.held] }
        switch isReady {
        case true: return []
        case nil: return [.notAdopted]
        case false?: break
        }
        guard let notBefore = self.notBefore else { return [.notReady] }
        if notBefore <= now { return [.due] }
        // The last attempt says what it waits for; a task that never ran waits for its time.
        guard let last = history.last else { return [.notBefore(notBefore)] }
        if error != nil, failures > 0, last.cause == error?.kind {
            return [.backingOff(until: notBefore, failures: failures, of: maxFailures, cause: last.cause)]
        }
        return [.interrupted(until: notBefore, cause: last.cause)]
    }
}

extension BSONDateTime {
    /// Before every time that a clock shows.
    static let distantPast = BSONDateTime(millisecondsSince1970: .min)
}
