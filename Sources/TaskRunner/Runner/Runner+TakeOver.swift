import BSON
import Files
import Logging
import NIOPosix
import TensorHub

/// What earlier runners of this machine have begun is taken up before anything else: an upgrade or a crash of the
/// daemon is nothing that a script notices.
extension Runner {
    /// Takes up living attempts, reports ended ones, and stops those that somebody else has meanwhile. Waits for
    /// MongoDB as long as it takes, while the scripts run on. Attempts whose directories are damaged come after all
    /// others.
    func takeOverAttempts(into group: inout DiscardingTaskGroup) async {
        guard !database.isEmpty else { return }
        guard let found = await findTakeOver() else { return }
        await takeOver(found.attempts.map { TakenOverAttempt($0.directory, $0.claim) }, into: &group)
        if !found.damaged.isEmpty { await settleDamaged(found, into: &group) }
    }

    func takeOver(_ attempts: [TakenOverAttempt], into group: inout DiscardingTaskGroup) async {
        if attempts.isEmpty { return }
        let owners = Dictionary(attempts.map { ($0.claim.id, $0.claim.formerRunners) }, uniquingKeysWith: +)
        guard
            let owned = await waitingForMongoDB({ () async throws(HubError) in
                try await self.session.takeOver(owners)
            })
        else { return }
        for attempt in attempts {
            if let task = owned[attempt.claim.id] {
                start(task, attempt, in: &group)
            } else {
                let record = (try? await pool.runIfActive { try attempt.directory.task() }) ?? nil
                // What the directory says of itself may be damaged; its name is not.
                var document = record ?? [:]
                document["_id"] = .objectID(attempt.claim.id.task)
                start(TaskRecord(document), attempt, in: &group)?.stop(.leaseLost)
            }
        }
    }

    /// `nil` where it cannot be told. Waits while this machine is too short of something to look.
    private func findTakeOver() async -> AttemptTakeOver? {
        try? await persistence.untilAccepted {
            loopWatch.cameRound(.claims)
            return try await pool.runIfActive {
                try AttemptTakeOver.find(
                    from: self.launcher.attemptsFolder,
                    by: self.session.runner,
                    self.presence,
                    project: self.hub.project,
                    database: self.database,
                    damage: self.damage
                )
            }
        } failed: { error, failures in
            if failures == 1 {
                logger.error("Cannot take up the attempts of an earlier runner", metadata: ["error": "\(error)"])
            }
            if (error as? FileError)?.mayPass != true { throw error }
        }
    }

    /// Asks until it is answered; `nil` where the runner gives up waiting for MongoDB. The attempts run on.
    func waitingForMongoDB<Value: Sendable>(_ ask: () async throws(HubError) -> Value) async -> Value? {
        let block = DeliveryBlock(logger, in: availability, saying: "Cannot take attempts over; trying again")
        return await persistence.untilAccepted(block) { () async throws(HubError) in
            loopWatch.cameRound(.claims)
            return try await ask()
        }
    }
}
