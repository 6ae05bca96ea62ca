import BSON
import Logging
import MongoDriver
import Synchronization
import TensorHub

extension Runner {
    /// Claims whenever there is a free slot and a reason to look, until the runner is stopped and all attempts ended.
    func claimAndRun() async {
        await withDiscardingTaskGroup { attempts in
            var unresolved: ObjectID?
            await takeOverAttempts(into: &attempts)
            wake.yield()
            defer { loopWatch.ended(.claims) }
            for await _ in wakes {
                loopWatch.cameRound(.claims)
                while await resolve(&unresolved, in: &attempts) {
                    let force = mustLook.withLock { flag in
                        defer { flag = false }
                        return flag
                    }
                    let look = state.withLock { state in
                        let look = state.look(force: force)
                        state.isClaiming = look != .nothing
                        return look
                    }
                    if look == .nothing { break }
                    defer { state.withLock { $0.isClaiming = unresolved != nil } }
                    let token = ObjectID()
                    unresolved = token
                    do throws(HubError) {
                        let tasks = try await claim(look, token: token)
                        unresolved = nil
                        claimBlock.succeeded()
                        for task in tasks { start(task, in: &attempts) }
                        if tasks.isEmpty { break }
                    } catch {
                        claimBlock.failed(error)
                        // A refusal has got nothing, and the same claim would be refused at once.
                        if error.code == .forbidden {
                            unresolved = nil
                            break
                        }
                    }
                }
                if state.withLock({ $0.isDone }) { break }
            }
            // A claim whose reply was lost and that was never looked up expires with its lease.
        }
    }

    /// After a claim without a reply: what it got must run before anything else is claimed. Returns whether that is
    /// clear; it is not while MongoDB is away and the runner gives up.
    private func resolve(_ unresolved: inout ObjectID?, in group: inout DiscardingTaskGroup) async -> Bool {
        guard let token = unresolved else { return true }
        // Nobody waits for a runner that stops with nothing to do; what the claim got expires with its lease.
        let isOver = { self.persistence.mustGiveUp() || self.state.withLock { $0.isDone } }
        if isOver() { return false }
        await pause(Backoff.firstPause)
        let tasks = await persistence.untilAccepted(isOver: isOver) { () async throws(HubError) in
            loopWatch.cameRound(.claims)
            try await putAsideRepeated()
            return try await session.claimed(by: token)
        } failed: { error, _ in
            logger.debug("MongoDB is still away", metadata: ["error": "\(error)"])
        }
        guard let tasks else { return false }
        for task in tasks { start(task, in: &group) }
        unresolved = nil
        mustLook.withLock { $0 = true }
        availability.succeeded()
        return true
    }

    /// A task with a key twice where a claim does not see it would end MongoDB again.
    ///
    /// - Throws: Where MongoDB is still away.
    private func putAsideRepeated() async throws(HubError) {
        do throws(HubError) {
            try await session.putAsideRepeated(options.query)
        } catch {
            if error.isTransient { throw error }
            logger.warning("Cannot look for tasks with a key twice", metadata: ["error": "\(error)"])
        }
    }

    private func claim(_ look: RunnerState.Look, token: ObjectID) async throws(HubError) -> [TaskRecord] {
        switch look {
        case .nothing:
            return []
        case .queue(let wanted):
            let claimed = try await session.claim(wanted, options.query, token: token)
            state.withLock { $0.found(queueIsEmpty: claimed.queueIsEmpty) }
            return claimed.tasks
        case .hinted(let ids):
            var tasks: [TaskRecord] = []
            for id in ids {
                if let task = try await session.claim(id: id, options.query, token: token) { tasks.append(task) }
            }
            return tasks
        }
    }

    /// - Parameter takenOver: What an earlier runner has left of the attempt.
    @discardableResult
    func start(
        _ task: TaskRecord,
        _ takenOver: TakenOverAttempt? = nil,
        in group: inout DiscardingTaskGroup
    ) -> AttemptControl? {
        guard let id = takenOver?.claim.id ?? task.attemptID else { return nil }
        let (control, earlier) = admit(id, isTakenOver: takenOver != nil)
        let context = attemptContext
        group.addTask {
            let execution = AttemptExecution(
                context,
                task: task,
                id: id,
                control: control,
                earlier: earlier,
                takenOver: takenOver
            )
            _ = await execution.run()
            self.state.withLock { $0.remove(id) }
            self.wake.yield()
        }
        return control
    }

    /// Takes a slot for a claimed attempt, and stops earlier ones of the same task: after an outage this runner may
    /// claim its own task again before it has learned that it lost it.
    ///
    /// - Returns: Its control, and the earlier attempts.
    func admit(_ id: AttemptID, isTakenOver: Bool = false) -> (AttemptControl, earlier: [AttemptControl]) {
        let control = AttemptControl(pool, isTakenOver: isTakenOver)
        let (phase, earlier) = state.withLock { state in
            let earlier = state.add(id, control)
            return (state.urgency, earlier)
        }
        for older in earlier {
            if !older.isOver { logger.notice("Stopping an earlier attempt", metadata: ["task.id": "\(id.task)"]) }
            older.stop(.leaseLost)
        }
        // Claimed in the moment of the second or third signal: it is given back like the others.
        if phase == .releasing { control.stop(.drain) }
        if phase == .killing { control.kill(.drain) }
        return (control, earlier)
    }

    /// Foreign tasks are adopted and due ones promoted at every poll; then the queue is looked at, come what may.
    func pollQueue() async {
        defer { loopWatch.ended(.queue) }
        var nextLook = ContinuousClock.now
        while !Task.isCancelled {
            loopWatch.cameRound(.queue)
            if ContinuousClock.now >= nextLook {
                // Later ones are seen as events.
                nextLook += Self.newerPause
                if let version = try? await session.findNewerTask()?.newerVersion { tellNewer(version) }
            }
            do throws(HubError) {
                _ = try await session.adoptAndPromote()
                availability.succeeded()
            } catch {
                if availability.failed(error) {
                    logger.debug("Cannot adopt or promote tasks", metadata: ["error": "\(error)"])
                }
            }
            mustLook.withLock { $0 = true }
            wake.yield()
            await pause(Self.poll * Double.random(in: 0.8...1.2))
        }
    }

    /// Between two looks for tasks that need a newer version.
    private static let newerPause: Duration = .seconds(3600)

    /// Told once for each version.
    private func tellNewer(_ version: Int) {
        let isNews = newestVersion.withLock { newest in
            defer { newest = max(newest, version) }
            return version > newest
        }
        guard isNews else { return }
        logger.notice(
            "There are tasks for newer runners than this one; they are left alone",
            metadata: ["task.version": "\(version)", "known.version": "\(TaskObstacle.knownVersion)"]
        )
    }

    /// Change events: a new or returned task is looked for at once, a request to cancel acted upon.
    func watchQueue() async {
        var hasWarned = false
        while !Task.isCancelled {
            do {
                for try await event in session.watchQueue() {
                    guard let id = event.document["documentKey"]?.documentValue?["_id"]?.objectIDValue else { continue }
                    await handle(event.document, id)
                }
            } catch {
                if !hasWarned {
                    logger.notice(
                        "No change events; the queue is polled instead",
                        metadata: ["error": "\(error)", "poll": "\(Self.poll)"]
                    )
                    hasWarned = true
                }
                await pause(Self.poll)
            }
        }
    }

    private func handle(_ event: BSONDocument, _ id: ObjectID) async {
        if event["cancelled"]?.boolValue == true {
            // The event may be about an attempt that is over: the task itself is asked.
            let mine = state.withLock { $0.leases.filter { $0.task == id } }
            guard !mine.isEmpty, let found = try? await session.inspect(mine) else { return }
            for id in found.cancelled { stop(id, .cancelled) }
            return
        }
        if let version = TaskRecord(["hub": ["v": event["version"] ?? .null]]).newerVersion {
            tellNewer(version)
            return
        }
        if event["foreign"]?.boolValue == true {
            _ = try? await session.adoptAndPromote()
        }
        state.withLock { $0.note(id) }
        wake.yield()
    }
}
