import BSON
import Logging
import MongoDriver
import Synchronization
import TensorHub

extension Runner {
    /// Renews every lease in one statement, a quarter of the lease apart, and stops what is no longer ours or wanted.
    func keepLeases() async {
        defer { loopWatch.ended(.leases) }
        var hasFailed = false
        var watch = RenewalWatch(lease: options.lease, now: ContinuousClock.now)
        while !Task.isCancelled {
            // After an outage at once: others wait for that before they take a lost runner's tasks.
            let due = ContinuousClock.now + (hasFailed ? min(Self.renewalPause, options.lease / 4) : options.lease / 4)
            while ContinuousClock.now < due, !Task.isCancelled {
                loopWatch.cameRound(.leases)
                await pause(min(due - .now, .seconds(10)))
            }
            loopWatch.cameRound(.leases)
            let leases = state.withLock { $0.leases }
            if leases.isEmpty {
                leaseBlock.passed()
                hasFailed = false
                watch.nothingToRenew(at: .now)
                continue
            }
            let sent = ContinuousClock.now
            do throws(HubError) {
                let renewal = try await tellingWhenLate(&watch, attempts: leases.count) {
                    () async throws(HubError) -> RunnerSession.Renewal in
                    try await session.renew(leases)
                }
                leaseBlock.succeeded()
                hasFailed = false
                if let gap = watch.renewed(sentAt: sent) {
                    logger.notice(
                        "The leases are renewed again",
                        metadata: ["since.last": "\(Availability.rounded(gap))", "attempts": "\(leases.count)"]
                    )
                }
                for id in renewal.lost { stop(id, .leaseLost) }
                for id in renewal.cancelled { stop(id, .cancelled) }
            } catch {
                hasFailed = true
                // Healthy work goes on while MongoDB is away, unless somebody has set a limit to that.
                leaseBlock.failed(error, facts: ["attempts": "\(leases.count)"])
                if let limit = options.outageLimit, let away = availability.awayFor, away > limit {
                    for id in leases { stop(id, .outage) }
                }
            }
        }
    }

    /// Runs a renewal, and says when it is late while it is still under way, with what else is.
    private func tellingWhenLate<Value: Sendable>(
        _ watch: inout RenewalWatch<ContinuousClock.Instant>,
        attempts: Int,
        _ renew: () async throws(HubError) -> Value
    ) async throws(HubError) -> Value {
        guard let due = watch.warningDue else { return try await renew() }
        if due <= .now {
            tellLate(watch, attempts)
            watch.hasTold()
            return try await renew()
        }
        let (result, isTold) = await withTaskGroup(of: Bool.self) { [watch] alarm in
            alarm.addTask {
                guard (try? await Task.sleep(until: due, clock: .continuous)) != nil else { return false }
                self.tellLate(watch, attempts)
                return true
            }
            let result: Result<Value, HubError>
            do throws(HubError) { result = .success(try await renew()) } catch { result = .failure(error) }
            alarm.cancelAll()
            return (result, await alarm.next() ?? false)
        }
        if isTold { watch.hasTold() }
        return try result.get()
    }

    private func tellLate(_ watch: RenewalWatch<ContinuousClock.Instant>, _ attempts: Int) {
        let late = watch.lateness(at: .now)
        let load = hub.client.load.map { "\($0.lane) \($0.running)+\($0.waiting)" }.joined(separator: ", ")
        logger.warning(
            "The leases of this runner are renewed late, and expire unless they are soon; the scripts run on",
            metadata: [
                "since.last": "\(Availability.rounded(late.since))", "expire.in": "\(Availability.rounded(late.left))",
                "attempts": "\(attempts)", "calls.running+waiting": "\(load)",
            ]
        )
    }

    /// Between two tries to renew while MongoDB is away.
    private static let renewalPause: Duration = .seconds(1)

    /// Returns tasks of lost runners to the queue. Every runner does, each at times of its own.
    ///
    /// An expired lease is not yet a lost runner: after an outage all have expired, and after a pause of the server
    /// nobody has even noticed. So it has to stay expired, unchanged, for a quarter of our lease, in which living
    /// runners renew.
    func rescueTasks() async {
        var suspects: [ObjectID: (expires: BSONDateTime, since: ContinuousClock.Instant)] = [:]
        while !Task.isCancelled {
            await pause(min(options.lease / 4, Self.rescuePause) * Double.random(in: 0.8...1))
            if Task.isCancelled { return }
            if availability.answersFor < options.lease / 2 {
                suspects = [:]
                continue
            }
            do throws(HubError) {
                let now = ContinuousClock.now
                let expired = try await session.expiredLeases()
                availability.succeeded()
                suspects = Dictionary(
                    uniqueKeysWithValues: expired.map { id, expires in
                        let known = suspects[id].flatMap { $0.expires == expires ? $0.since : nil }
                        return (id, (expires, known ?? now))
                    }
                )
                let lost = suspects.filter { now - $0.value.since >= options.lease / 4 * 0.75 }.map(\.key)
                var rescued = lost.isEmpty ? 0 : try await session.rescue(lost)
                if let limit = options.unleasedLimit { rescued += try await session.rescueUnleased(after: limit) }
                if rescued > 0 {
                    logger.notice("Tasks of lost runners are pending again", metadata: ["tasks": "\(rescued)"])
                }
            } catch {
                if availability.failed(error) {
                    logger.warning("Cannot rescue tasks of lost runners", metadata: ["error": "\(error)"])
                }
            }
        }
    }

    /// The longest between two looks for expired leases: those of others may be shorter than ours.
    static let rescuePause: Duration = .seconds(15)

    func stop(_ id: AttemptID, _ reason: StopReason) {
        let control = state.withLock { $0.attempts[id] }
        // That the attempt is not ours any more counts also for one that is being stopped: nothing more is to be sent
        // then.
        guard let control, control.reason == nil || reason == .leaseLost else { return }
        // One whose script has ended may just have been reported, and the renewal found that.
        if control.reason == nil, !control.isOver {
            logger.notice("Stopping an attempt", metadata: ["task.id": "\(id.task)", "reason": "\(reason.rawValue)"])
        }
        control.stop(reason)
    }
}
