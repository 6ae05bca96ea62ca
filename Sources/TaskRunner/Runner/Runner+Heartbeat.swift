import BSON
import Glibc
import Logging
import MongoDriver
import NIOPosix
import Synchronization
import TensorHub

/// Collection `Runner`: the runner tells what it does, and hears there what is asked of it.
extension Runner {
    /// The longest between two signs of life, however long the lease.
    static let longestBeat: Duration = .seconds(15)
    var beatInterval: Duration { min(options.lease / 4, Self.longestBeat) }

    /// Before the first claim: a runner that was paused before it was restarted must not claim anything.
    func register() async {
        guard state.withLock({ $0.phase == .running }) else { return }
        do throws(HubError) {
            let earlier = try await session.namesakes(on: options.host)
            if let control = earlier.last?.control, control.request == .pause {
                heartbeat.withLock { $0.control = control }
                obey(control)
            }
            await beat()
            // One that was killed or handed over could not say so itself.
            let dead = earlier.filter { $0.pid.map(Self.isGone) ?? false }
            try await session.forgetNamesakes(on: options.host, dead: dead.map(\.id))
        } catch {
            if availability.failed(error) {
                logger.warning(
                    "Cannot register; `tensorhub runner ls` may not show this",
                    metadata: ["error": "\(error)"]
                )
            }
        }
    }

    /// Signs of life: at every change of what the runner does, and otherwise an interval apart, until cancelled.
    func keepHeartbeat() async {
        await withDiscardingTaskGroup { group in
            group.addTask {
                while !Task.isCancelled {
                    await self.pause(self.beatInterval * Double.random(in: 0.8...1))
                    do {
                        try await self.pool.runIfActive { try self.presence.renew() }
                    } catch {
                        self.logger.debug("Cannot see to this runner's lock", metadata: ["error": "\(error)"])
                    }
                    self.state.tell()
                }
            }
            group.addTask { await self.watchControl() }
            for await _ in state.changes {
                await beat()
                guard let (control, rest) = heartbeat.withLock({ $0.takeDue() }) else { continue }
                group.addTask {
                    await self.pause(rest)
                    if !Task.isCancelled { self.release(atDeadlineOf: control) }
                }
            }
        }
    }

    /// The last sign of life, so that nobody takes an end for a loss.
    func endHeartbeat() async {
        let isHopeless = availability.awayFor != nil && persistence.mustGiveUp()
        if heartbeat.withLock({ $0.isRegistered }), !isHopeless { await beat(.stopped) }
    }

    /// Tells what the runner does, and does what is asked of it.
    ///
    /// - Parameter last: What it says in place of what it does.
    private func beat(_ last: RunnerRecord.State? = nil) async {
        do throws(HubError) {
            let beat = signOfLife(last)
            let record = try await session.beat(beat)
            beatBlock.succeeded()
            heartbeat.withLock { heartbeat in
                heartbeat.isRegistered = true
                if beat.refused == [] { heartbeat.hasToldRefusals = false }
                if let control = record?.control { heartbeat.control = control }
            }
            if let control = record?.control { obey(control, at: record?.heartbeat) }
        } catch {
            beatBlock.failed(error)
        }
    }

    private func signOfLife(_ last: RunnerRecord.State?) -> RunnerBeat {
        let refusals = availability.refusals.current(now: hub.estimatedTime())
        let (control, mustTell) = heartbeat.withLock { heartbeat in
            if !refusals.isEmpty { heartbeat.hasToldRefusals = true }
            return (heartbeat.control, heartbeat.hasToldRefusals)
        }
        return state.withLock { state in
            RunnerBeat(
                host: options.host,
                pid: getpid(),
                version: options.version,
                slots: options.slots,
                labels: BSONDocument(
                    elements: options.labels.sorted { $0.key < $1.key }.map { ($0.key.text, .string($0.value)) }
                ),
                state: last ?? state.activity,
                query: RunnerRecord.queryText(names: options.taskNames, filter: options.filter, sort: options.sort),
                running: Array(state.leases),
                done: state.done,
                blocked: state.blocked.count,
                refused: mustTell ? refusals : nil,
                damaged: damage.count,
                lacks: needs.lacks,
                control: control
            )
        }
    }

    /// Every sign of life brings the last request again: only a new one counts.
    ///
    /// - Parameter now: The server's time, which the deadline is in.
    private func obey(_ control: RunnerControl, at now: BSONDateTime? = nil) {
        guard state.withLock({ $0.obey(control) }) else { return }
        var facts: Logger.Metadata = [
            "request": "\(control.request.rawValue)",
            "by": "\(control.by ?? (control.reason == nil ? "unknown" : "itself"))",
        ]
        if let deadline = control.deadline, let now {
            facts["deadline"] = "\(deadline)"
            let (rest, overflow) = deadline.millisecondsSince1970.subtractingReportingOverflow(
                now.millisecondsSince1970
            )
            if !overflow { heartbeat.withLock { $0.due = (control, .milliseconds(max(0, rest))) } }
        }
        logger.notice("Asked from afar", metadata: facts)
        if control.request == .resume { needs.forget() }
        mustLook.withLock { $0 = true }
        wake.yield()
    }

    private func release(atDeadlineOf control: RunnerControl) {
        let attempts = state.withLock { $0.release(atDeadlineOf: control) }
        if attempts.isEmpty { return }
        logger.notice("The deadline of the drain has passed", metadata: ["attempts": "\(attempts.count)"])
        for attempt in attempts { attempt.stop(.drain) }
    }

    /// An event is a hint: the answer to the sign of life that it causes brings the request.
    private func watchControl() async {
        while !Task.isCancelled {
            do {
                let stream = session.watchControl()
                try await stream.open()
                // For what was asked before.
                state.tell()
                for try await _ in stream { state.tell() }
            } catch {
                // Without change streams requests come with the signs of life alone.
                if error.code == .notReplicaSet { return }
                logger.debug("No events about requests", metadata: ["error": "\(error)"])
            }
            await pause(Self.poll)
        }
    }

    /// Whether no process of this machine has that number.
    private static func isGone(_ pid: Int) -> Bool {
        guard let pid = pid_t(exactly: pid), pid > 0 else { return false }
        return kill(pid, 0) != 0 && errno == ESRCH
    }
}
