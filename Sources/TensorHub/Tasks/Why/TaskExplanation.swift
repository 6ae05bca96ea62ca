public import BSON

/// Why a task is where it is. Facts alone, so that every reader can put them into its own words.
public struct TaskExplanation: Sendable, Hashable {
    /// Without script and files. Its history tells the attempts, its error the latest failure.
    public var task: TaskRecord
    /// When this was found out, by the server's clock.
    public var time: BSONDateTime
    public var situation: Situation

    public enum Situation: Sendable, Hashable {
        case pending(Waiting)
        case running(Execution)
        /// Finished, failed, cancelled, or a word of another program's.
        case ended
    }

    /// What a pending task waits for.
    public struct Waiting: Sendable, Hashable {
        /// What keeps every runner from taking it; empty where it could be claimed now.
        public var obstacles: [TaskObstacle]
        /// Its place in line: ready tasks of the project that go first, by priority, then age.
        public var ahead: TaskCount
        /// Not taken by then, it is failed; `nil` once it was taken.
        public var deadline: BSONDateTime?
        /// Every runner that has not stopped, by name.
        public var candidates: [Candidate]
    }

    /// A runner, as seen by a pending task.
    public struct Candidate: Sendable, Hashable {
        public var runner: RunnerRecord
        /// What keeps this runner from taking it; empty where it takes it in its turn.
        public var obstacles: [RunnerObstacle]
        /// Ready tasks that this runner takes first, by its own names, filter and order; `nil` where the server cannot
        /// tell, or where it never takes this one.
        public var ahead: TaskCount?
    }

    /// Where a running task runs.
    public struct Execution: Sendable, Hashable {
        /// The name of the runner, from the history.
        public var host: String?
        /// Who holds the lease, where it is registered.
        public var runner: RunnerRecord?
        /// `nil` under a runner of TensorLayer's, which writes none.
        public var lease: Lease?
        /// Whether the lease is over: the runner is gone or cut off, and the task is about to be rescued.
        public var isLeaseExpired: Bool
        /// When the script last printed something.
        public var lastOutput: BSONDateTime?
        /// Somebody wants it cancelled; its script is not dead yet.
        public var cancel: CancelRequest?
        /// What MongoDB does not take of it: until it does, the attempt stays open.
        public var refused: [RunnerRefusal] = []
    }

    public struct CancelRequest: Sendable, Hashable {
        public var time: BSONDateTime?
        public var by: String?
        public var reason: String?

        package init(_ document: BSONDocument) {
            time = document["time"]?.dateTimeValue
            by = document["by"]?.stringValue
            reason = document["reason"]?.stringValue
        }
    }
}

extension TaskExplanation {
    /// Everything but the task itself, for programs.
    public var document: BSONDocument {
        var document: BSONDocument = ["_id": task.document["_id"] ?? .null, "status": .string(task.status.rawValue)]
        if let number = task.number { document.append("number", .int64(Int64(number))) }
        document.append("time", .dateTime(time))
        if let name = task.name { document.append("task_name", .string(name)) }
        for (key, time) in [("created", task.time), ("started", task.started), ("ended", task.ended)] {
            if let time { document.append(key, .dateTime(time)) }
        }
        switch situation {
        case .pending(let waiting):
            document.append("obstacles", .array(waiting.obstacles.map { .document($0.document) }))
            document.append("ahead", .document(waiting.ahead.document))
            if let deadline = waiting.deadline { document.append("deadline", .dateTime(deadline)) }
            document.append("runners", .array(waiting.candidates.map { .document($0.document) }))
        case .running(let execution):
            document.append("execution", .document(execution.document))
        case .ended:
            break
        }
        let hub = task.document["hub"]?.documentValue
        if case .ended = situation, let cancel = hub?["cancel"] { document.append("cancel", cancel) }
        document.append("history", hub?["history"] ?? .array([]))
        if let error = hub?["error"] { document.append("error", error) }
        return document
    }
}

extension TaskExplanation.Candidate {
    var document: BSONDocument {
        var document: BSONDocument = ["_id": .objectID(runner.id)]
        document.append("name", runner.name.map(BSONValue.string) ?? .null)
        document.append("host", runner.host.map(BSONValue.string) ?? .null)
        document.append("state", .string(runner.state.rawValue))
        document.append("obstacles", .array(obstacles.map { .document($0.document) }))
        if let ahead { document.append("ahead", .document(ahead.document)) }
        return document
    }
}

extension TaskExplanation.Execution {
    var document: BSONDocument {
        var document: BSONDocument = ["host": host.map(BSONValue.string) ?? .null]
        if let lease {
            document.append("runner", .objectID(lease.runner))
            document.append("lease_expires", .dateTime(lease.expires))
            document.append("lease_expired", .bool(isLeaseExpired))
        }
        if let runner { document.append("state", .string(runner.state.rawValue)) }
        if let lastOutput { document.append("last_output", .dateTime(lastOutput)) }
        if let cancel {
            var request: BSONDocument = [:]
            if let time = cancel.time { request.append("time", .dateTime(time)) }
            if let by = cancel.by { request.append("by", .string(by)) }
            if let reason = cancel.reason { request.append("reason", .string(reason)) }
            document.append("cancel", .document(request))
        }
        if !refused.isEmpty { document.append("refused", .array(refused.map { .document($0.document) })) }
        return document
    }
}

extension TaskCount {
    var document: BSONDocument { ["number": .init(smallest: number), "capped": .bool(isCapped)] }
}

extension TaskObstacle {
    var document: BSONDocument {
        var document: BSONDocument = ["kind": .string(word)]
        switch self {
        case .held, .due, .notAdopted, .notReady, .noRunner: break
        case .newerVersion(let version):
            document.append("version", .init(smallest: version))
            document.append("known", .int32(TaskStatements.version))
        case .repeatedKey(let key): document.append("key", .string(key))
        case .notBefore(let until): document.append("until", .dateTime(until))
        case .backingOff(let until, let failures, let limit, let cause):
            document.append("until", .dateTime(until))
            document.append("failures", .init(smallest: failures))
            document.append("max_failures", .init(smallest: limit))
            if let cause { document.append("cause", .string(cause)) }
        case .interrupted(let until, let cause):
            document.append("until", .dateTime(until))
            if let cause { document.append("cause", .string(cause)) }
        }
        return document
    }
}

extension RunnerObstacle {
    var document: BSONDocument {
        var document: BSONDocument = ["kind": .string(word)]
        switch self {
        case .avoided: break
        case .lacks(let lack): for (key, value) in lack.document { document.append(key, value) }
        case .lost(let silence):
            if let silence { document.append("silence", .double(silence / .seconds(1))) }
        case .paused(let control), .draining(let control), .drained(let control), .stopping(let control):
            if let control { document.append("control", .document(control.document)) }
        case .full(let slots, let blocked):
            document.append("slots", .init(smallest: slots))
            document.append("blocked", .init(smallest: blocked))
        case .otherNames(let names): document.append("names", .array(names.map(BSONValue.string)))
        case .filtered(let filter): document.append("filter", .string(filter.document.extendedJSON()))
        case .filterFails(let message): document.append("message", .string(message))
        case .refused(let refusal):
            document.append("message", .string(refusal.text))
            if let since = refusal.since { document.append("since", .dateTime(since)) }
        }
        return document
    }
}
