import BSON
import Logging
import Synchronization
import TensorHub

extension Runner {
    /// Renews every lease in one statement, a quarter of the lease apart, and stops what is no longer ours or wanted.
    func keepLeases() async {
        while !Task.isCancelled {
            await pause(options.lease / 4)
            let leases = state.withLock { $0.leases }
            if leases.isEmpty { continue }
            do {
                let renewal = try await hub.renew(leases, runner: runnerID, lease: options.lease)
                for id in renewal.lost { stop(id, attempt: leases[id], .leaseLost) }
                for id in renewal.cancelled { stop(id, attempt: leases[id], .cancelled) }
            } catch {
                // Healthy work goes on while MongoDB is away.
                logger.warning(
                    "Cannot renew leases; the scripts run on",
                    metadata: ["error": "\(error)", "attempts": "\(leases.count)"]
                )
            }
        }
    }

    func stop(_ id: ObjectID, attempt: Int?, _ reason: StopReason) {
        let control = state.withLock { state in
            attempt.flatMap { state.attempts[AttemptKey(taskID: id, attempt: $0)] }
        }
        guard let control, control.reason == nil else { return }
        logger.notice("Stopping an attempt", metadata: ["task.id": "\(id)", "reason": "\(reason.rawValue)"])
        control.stop(reason)
    }
}
