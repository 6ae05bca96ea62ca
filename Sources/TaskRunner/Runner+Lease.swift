import BSON
import Logging
import Synchronization
import TensorHub

extension Runner {
    /// Renews every lease in one statement, a quarter of the lease apart, and stops what is no longer ours or wanted.
    func keepLeases() async {
        defer { progress.ended(.leases) }
        var hasFailed = false
        while !Task.isCancelled {
            // After an outage at once: others wait for that before they take a lost runner's tasks.
            let due = ContinuousClock.now + (hasFailed ? min(Self.renewalPause, options.lease / 4) : options.lease / 4)
            while ContinuousClock.now < due, !Task.isCancelled {
                progress.cameRound(.leases)
                await pause(min(due - .now, .seconds(10)))
            }
            progress.cameRound(.leases)
            let leases = state.withLock { $0.leases }
            if leases.isEmpty {
                leaseObstacle.passed()
                hasFailed = false
                continue
            }
            do throws(HubError) {
                let renewal = try await hub.renew(leases, runner: runnerID, lease: options.lease)
                contact.succeeded()
                leaseObstacle.passed()
                hasFailed = false
                for id in renewal.lost { stop(id, attempt: leases[id], .leaseLost) }
                for id in renewal.cancelled { stop(id, attempt: leases[id], .cancelled) }
            } catch {
                hasFailed = true
                // Healthy work goes on while MongoDB is away, unless somebody has set a limit to that.
                if contact.failed(error) { leaseObstacle.met(error, facts: ["attempts": "\(leases.count)"]) }
                if let limit = options.outageLimit, let away = contact.awayFor, away > limit {
                    for (id, attempt) in leases { stop(id, attempt: attempt, .outage) }
                }
            }
        }
    }

    /// Between two tries to renew while MongoDB is away.
    private static let renewalPause: Duration = .seconds(1)

    /// Returns tasks of lost runners to the queue. Every runner does, each at times of its own.
    ///
    /// An expired lease is not yet a lost runner: after an outage all have expired, and after a pause of the server nobody
    /// has even noticed. So it has to stay expired, unchanged, for a quarter of our lease, in which living runners renew.
    func rescueTasks() async {
        var suspects: [ObjectID: (expires: BSONDateTime, since: ContinuousClock.Instant)] = [:]
        while !Task.isCancelled {
            await pause(min(options.lease / 4, Self.rescuePause) * Double.random(in: 0.8...1))
            if Task.isCancelled { return }
            if contact.answersFor < options.lease / 2 {
                suspects = [:]
                continue
            }
            do throws(HubError) {
                let now = ContinuousClock.now
                let expired = try await hub.expiredLeases()
                contact.succeeded()
                suspects = Dictionary(
                    uniqueKeysWithValues: expired.map { id, expires in
                        let known = suspects[id].flatMap { $0.expires == expires ? $0.since : nil }
                        return (id, (expires, known ?? now))
                    }
                )
                let lost = suspects.filter { now - $0.value.since >= options.lease / 4 * 0.75 }.map(\.key)
                var rescued = lost.isEmpty ? 0 : try await hub.rescue(lost)
                if let limit = options.unleasedLimit { rescued += try await hub.rescueUnleased(after: limit) }
                if rescued > 0 {
                    logger.notice("Tasks of lost runners are pending again", metadata: ["tasks": "\(rescued)"])
                }
            } catch {
                if contact.failed(error) {
                    logger.warning("Cannot rescue tasks of lost runners", metadata: ["error": "\(error)"])
                }
            }
        }
    }

    /// The longest between two looks for expired leases: those of others may be shorter than ours.
    static let rescuePause: Duration = .seconds(15)

    func stop(_ id: ObjectID, attempt: Int?, _ reason: StopReason) {
        let control = state.withLock { state in
            attempt.flatMap { state.attempts[AttemptKey(taskID: id, attempt: $0)] }
        }
        // That the attempt is not ours any more counts also for one that is being stopped: nothing more is to be sent then.
        guard let control, control.reason == nil || reason == .leaseLost else { return }
        // One whose script has ended may just have been reported, and the renewal found that.
        if control.reason == nil, !control.isOver {
            logger.notice("Stopping an attempt", metadata: ["task.id": "\(id)", "reason": "\(reason.rawValue)"])
        }
        control.stop(reason)
    }
}
