import BSON
import Logging
import Synchronization
import TensorHub

extension Runner {
    /// Renews every lease in one statement, a quarter of the lease apart, and stops what is no longer ours or wanted.
    func keepLeases() async {
        defer { progress.ended(.leases) }
        while !Task.isCancelled {
            let due = ContinuousClock.now + options.lease / 4
            while ContinuousClock.now < due, !Task.isCancelled {
                progress.cameRound(.leases)
                await pause(min(due - .now, .seconds(10)))
            }
            progress.cameRound(.leases)
            let leases = state.withLock { $0.leases }
            if leases.isEmpty { continue }
            do throws(HubError) {
                let renewal = try await hub.renew(leases, runner: runnerID, lease: options.lease)
                contact.succeeded()
                for id in renewal.lost { stop(id, attempt: leases[id], .leaseLost) }
                for id in renewal.cancelled { stop(id, attempt: leases[id], .cancelled) }
            } catch {
                // Healthy work goes on while MongoDB is away, unless somebody has set a limit to that.
                if contact.failed(error) {
                    logger.warning(
                        "Cannot renew leases; the scripts run on",
                        metadata: ["error": "\(error)", "attempts": "\(leases.count)"]
                    )
                }
                if let limit = options.outageLimit, let away = contact.awayFor, away > limit {
                    for (id, attempt) in leases { stop(id, attempt: attempt, .outage) }
                }
            }
        }
    }

    /// Returns tasks of lost runners to the queue. Every runner does, a quarter of its lease apart at most, each at times
    /// of its own.
    func rescueTasks() async {
        while !Task.isCancelled {
            await pause(min(options.lease / 4, Self.rescuePause) * Double.random(in: 0.8...1.2))
            if Task.isCancelled { return }
            // After an outage every lease has expired: their living runners renew them first.
            if contact.answersFor < options.lease / 2 { continue }
            do throws(HubError) {
                let rescued = try await hub.rescue(unleasedAfter: options.unleasedLimit)
                contact.succeeded()
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
        guard let control, control.reason == nil else { return }
        logger.notice("Stopping an attempt", metadata: ["task.id": "\(id)", "reason": "\(reason.rawValue)"])
        control.stop(reason)
    }
}
