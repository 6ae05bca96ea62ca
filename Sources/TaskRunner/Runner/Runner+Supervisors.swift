import Logging
import Synchronization
import TensorHub

/// The second watch over the supervisors of running scripts.
extension Runner {
    /// Between two looks; a script that is shorter is never looked at.
    private static let watchPause: Duration = .seconds(2)
    /// The same while somebody waits for an end.
    private static let pressingPause: Duration = .milliseconds(500)

    /// Looks after the supervisors until cancelled.
    func watchSupervisors() async {
        var watches: [AttemptID: SupervisorWatch] = [:]
        var told: Set<AttemptID> = []
        while !Task.isCancelled {
            let planned = watches.values.contains(where: \.isPressing) ? Self.pressingPause : Self.watchPause
            let start = ContinuousClock.now
            await pause(planned)
            // What this process slept through, the supervisors may have slept through as well.
            let elapsed = min(ContinuousClock.now - start, planned * 2)
            let attempts = state.withLock { $0.attempts }
            for id in watches.keys where attempts[id]?.process == nil {
                watches[id] = nil
                if told.remove(id) != nil { state.withLock { $0.unblock(id) } }
            }
            for (id, control) in attempts {
                guard let process = control.process else { continue }
                guard watches[id] != nil else {
                    watches[id] = SupervisorWatch(process.limits)
                    continue
                }
                guard let condition = process.condition else { continue }
                let order = control.stopped
                let step = watches[id]?.look(
                    after: elapsed,
                    condition,
                    isOrdered: order != nil,
                    mustKill: order?.mustDie ?? false
                )
                take(step ?? .nothing, id, control, process, &told)
            }
        }
    }

    /// - Parameter told: Attempts of which something was said that need not be said again.
    private func take(
        _ step: SupervisorWatch.Step,
        _ id: AttemptID,
        _ control: AttemptControl,
        _ process: SupervisorProcess,
        _ told: inout Set<AttemptID>
    ) {
        var facts: Logger.Metadata = [
            "task.id": "\(id.task)", "task.attempt": "\(id.number)", "supervisor.pid": "\(process.pid)",
        ]
        switch step {
        case .nothing: return
        case .orderKill: process.requestKill()
        case .resume:
            process.resume()
            if told.insert(id).inserted { logger.warning("A supervisor was stopped; it is to go on", metadata: facts) }
        case .end(let kind):
            facts["reason"] = "\(kind?.rawValue ?? control.reason?.rawValue ?? "")"
            logger.error("A supervisor does not do its part; it is killed, and its script with it", metadata: facts)
            told.remove(id)
            control.endSupervisor(kind)
        case .isHeld:
            guard told.insert(id).inserted else { return }
            state.withLock { $0.block(id) }
            facts["process"] = "\(ProcessEntry(process.pid)?.text ?? "")"
            logger.error(
                "A supervisor survives SIGKILL, the kernel holds it; its slot is out of service until it is gone",
                metadata: facts
            )
        }
    }

    /// What a process that ends now leaves behind, for the log: attempts, and what is seen of their processes.
    public var unfinished: [String] {
        let attempts = state.withLock { $0.attempts }
        let processes = ProcessEntry.all()
        return attempts.map { id, control in
            guard let process = control.process else { return "\(id)" }
            let killed = Dictionary(process.killed.map { ($0.pid, $0.start) }, uniquingKeysWith: { $1 })
            let tree =
                process.hasEnded
                ? processes.filter { killed[$0.pid] == $0.start }
                : processes.filter { $0.pid == process.pid } + processes.descendants(of: process.pid)
            let text = tree.filter { !$0.isDead }.prefix(20).map(\.text).joined(separator: ", ")
            return "\(id)" + (text.isEmpty ? "" : ": \(text)")
        }.sorted()
    }
}
