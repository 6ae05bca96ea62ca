import BSON
import Logging
import NIOPosix
import TensorHub

/// What earlier runners of this machine have begun is taken up before anything else: an upgrade or a crash of the daemon
/// is nothing that a script notices.
extension Runner {
    /// Takes up living attempts, reports ended ones, and stops those that somebody else has meanwhile. Waits for MongoDB as
    /// long as it takes, while the scripts run on.
    func inheritAttempts(into group: inout DiscardingTaskGroup) async {
        guard !database.isEmpty else { return }
        let attempts: [InheritedAttempt]
        do {
            attempts = try await pool.runIfActive { try self.findInherited() }
        } catch {
            logger.error("Cannot take up the attempts of an earlier runner", metadata: ["error": "\(error)"])
            return
        }
        if attempts.isEmpty { return }
        let inheritances = attempts.map {
            Hub.Inheritance(
                taskID: $0.claim.taskID,
                attempt: Int($0.claim.attempt),
                owners: $0.claim.formerRunners
            )
        }
        guard let owned = await reown(inheritances) else { return }
        for attempt in attempts {
            if let task = owned[attempt.claim.taskID], task.attempt == Int(attempt.claim.attempt) {
                start(task, attempt, in: &group)
            } else {
                let record = (try? await pool.runIfActive { try attempt.directory.task() }) ?? nil
                let task = TaskRecord(record ?? ["_id": .objectID(attempt.claim.taskID)])
                start(task, attempt, in: &group)?.stop(.leaseLost)
            }
        }
    }

    private func findInherited() throws -> [InheritedAttempt] {
        try presence.inherit(from: launcher.attemptsFolder, project: hub.project, database: database).compactMap {
            do throws(AttemptError) {
                return try InheritedAttempt($0.directory, $0.claim)
            } catch {
                logger.error(
                    "An attempt directory cannot be read and stays",
                    metadata: ["directory": "\($0.directory.path)", "error": "\(error)"]
                )
                return nil
            }
        }
    }

    /// `nil` where the runner gave up waiting for MongoDB; the attempts run on.
    private func reown(_ attempts: [Hub.Inheritance]) async -> [ObjectID: TaskRecord]? {
        while true {
            progress.cameRound(.claims)
            do throws(HubError) {
                let owned = try await hub.reown(attempts, runner: runnerID, lease: options.lease)
                contact.succeeded()
                return owned
            } catch {
                if contact.failed(error) {
                    logger.error("Cannot take attempts over; trying again", metadata: ["error": "\(error)"])
                }
                if mustGiveUp() { return nil }
                await pause(Reporter.retryPause)
            }
        }
    }
}
