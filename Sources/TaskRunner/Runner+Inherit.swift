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
        guard let attempts = await findInherited(), !attempts.isEmpty else { return }
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

    /// `nil` where it cannot be told. Waits while this machine is too short of something to look.
    private func findInherited() async -> [InheritedAttempt]? {
        var hasWarned = false
        while true {
            progress.cameRound(.claims)
            do {
                return try await pool.runIfActive {
                    try self.presence.inherit(
                        from: self.launcher.attemptsFolder,
                        project: self.hub.project,
                        database: self.database
                    ).map { InheritedAttempt($0.directory, $0.claim) }
                }
            } catch {
                let mayPass = (error as? AttemptError)?.mayPass == true
                if !hasWarned {
                    hasWarned = true
                    logger.error("Cannot take up the attempts of an earlier runner", metadata: ["error": "\(error)"])
                }
                if !mayPass || mustGiveUp() { return nil }
                await pause(Reporter.retryPause)
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
