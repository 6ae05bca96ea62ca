import BSON
import Logging
import MongoDriver
import NIOPosix
import TensorHub

/// The checkpoints on this machine that nobody will come for.
extension Runner {
    static let checkpointSweepPause: Duration = .seconds(3600)

    /// Looks for them at the start and every hour.
    func sweepCheckpoints() async {
        let waiting = WaitingCheckpoints(stateDirectory: options.stateDirectory)
        while !Task.isCancelled {
            try? await pool.runIfActive { self.damage.tendFolders() }
            do {
                try await sweep(waiting)
            } catch {
                logger.warning("Cannot remove old checkpoints from this machine", metadata: ["error": "\(error)"])
            }
            await pause(Self.checkpointSweepPause)
        }
    }

    private func sweep(_ waiting: WaitingCheckpoints) async throws {
        let tasks = try await pool.runIfActive { [presence, damage] in
            try waiting.removeBrokenOff(damage, isLiving: presence.isLiving)
            return try waiting.tasks()
        }
        if tasks.isEmpty { return }
        // By identifier alone: they may be another project's.
        let found = try await transport.hub.tasks.findAll(
            ["_id": ["$in": .array(tasks.map(BSONValue.objectID))]],
            FindOptions(projection: ["status": 1])
        ).map(TaskRecord.init)
        let known = Set(found.compactMap(\.id))
        let ended = Set(found.filter { !$0.status.isUnfinished }.compactMap(\.id))
        // One that was made to run again meanwhile may be just about to take it up.
        let claimed = state.withLock { Set($0.attempts.keys.map(\.task)) }
        try await pool.runIfActive {
            try waiting.remove(ended.subtracting(claimed), self.damage)
            try waiting.remove(tasks.subtracting(known), olderThan: WaitingCheckpoints.strangerLimit, self.damage)
        }
    }
}
