import BSON
import Logging
import NIOPosix
import TensorHub

/// Attempts whose directories are damaged: MongoDB tells whose they are. What lives of them is ended before their tasks
/// go back, so that no script runs beside its own second attempt.
extension Runner {
    func settleDamaged(_ found: AttemptTakeOver, into group: inout DiscardingTaskGroup) async {
        let ids = found.damaged.map(\.directory.id.task)
        let known = await waitingForMongoDB { () async throws(HubError) in
            let tasks = try await self.session.leased(ids)
            let runners = tasks.values.compactMap(\.lease?.runner)
            return (tasks, try await self.session.runners(runners, on: self.options.host))
        }
        guard let (tasks, local) = known else { return }
        var ours: [TakenOverAttempt] = []
        for damaged in found.damaged {
            switch await verdict(damaged, tasks[damaged.directory.id.task], local, found) {
            case .ours(let former):
                let claim = AttemptClaim(
                    of: damaged.directory,
                    runner: session.runner,
                    formerRunner: former,
                    project: hub.project,
                    database: database
                )
                ours.append(TakenOverAttempt(damaged, claim))
            case .nobodys: group.addTask { await self.clear(damaged) }
            case .others:
                logger.notice(
                    "A damaged attempt directory may be another runner's; it stays",
                    metadata: ["directory": "\(damaged.directory.path)", "reason": "\(damaged.reason)"]
                )
            }
        }
        await takeOver(ours, into: &group)
    }

    private enum Verdict {
        /// A dead runner of this machine holds its lease.
        case ours(former: ObjectID)
        /// Its task has ended, or goes on in another attempt or elsewhere.
        case nobodys
        /// A living neighbour's, another project's or another database's.
        case others
    }

    private func verdict(
        _ damaged: DamagedAttempt,
        _ task: TaskRecord?,
        _ local: Set<ObjectID>,
        _ found: AttemptTakeOver
    ) async -> Verdict {
        guard let task else {
            // Deleted; or a neighbour's, who works on another database.
            return found.hasNeighbours ? .others : .nobodys
        }
        if task.project?.bytes != hub.project.bytes { return .others }
        guard task.status == .running, task.attempt == damaged.directory.id.number, let owner = task.lease?.runner
        else {
            // A living neighbour may be removing it just now.
            return damaged.mayBeRemains && !damaged.isAlive && found.hasNeighbours ? .others : .nobodys
        }
        let isLiving = (try? await pool.runIfActive { self.presence.isLiving(owner) }) ?? true
        if isLiving { return .others }
        // A script may give a directory of its own the name of an attempt that runs on another machine.
        let isLocal = found.dead.contains(owner) || local.contains(owner) || damaged.isAlive
        return isLocal ? .ours(former: owner) : .nobodys
    }

    /// Ends what lives of it, and puts the directory out of the way.
    private func clear(_ damaged: DamagedAttempt) async {
        await AttemptSurvivors.end(of: damaged.directory, pool, persistence, logger)
        try? await pool.runIfActive {
            if damaged.isGone {
                self.damage.note(damaged.directory.path, damaged.reason)
            } else if damaged.mayBeRemains && !damaged.isAlive {
                damaged.directory.removeRemains(self.damage)
            } else {
                self.damage.setAside(damaged.directory.path, damaged.reason)
            }
        }
    }
}
