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
            for key in watches.keys where attempts[key]?.process == nil {
                watches[key] = nil
                if told.remove(key) != nil { state.withLock { $0.unblock(key) } }
            }
            for (key, control) in attempts {
                guard let process = control.process else { continue }
                guard watches[key] != nil else {
                    watches[key] = SupervisorWatch(process.limits)
                    continue
                }
                guard let condition = process.condition else { continue }
                let order = control.stopped
                let step = watches[key]?.look(
                    after: elapsed,
                    condition,
                    isOrdered: order != nil,
                    mustKill: order?.mustDie ?? false
                )
                take(step ?? .nothing, key, control, process, &told)
            }
        }
    }

    /// - Parameter told: Attempts of which something was said that need not be said again.
    private func take(
        _ step: SupervisorWatch.Step,
        _ key: AttemptID,
        _ control: AttemptControl,
        _ process: SupervisorProcess,
        _ told: inout Set<AttemptID>
    ) {
        var facts: Logger.Metadata = [
            "task.id": "\(key.task)", "task.attempt": "\(key.number)", "supervisor.pid": "\(process.pid)",
        ]
        switch step {
        case .nothing: return
        case .orderKill: process.requestKill()
        case .resume:
            process.resume()
            if told.insert(key).inserted { logger.warning("A supervisor was stopped; it is to go on", metadata: facts) }
        case .end(let kind):
            facts["reason"] = "\(kind?.rawValue ?? control.reason?.rawValue ?? "")"
            logger.error("A supervisor does not do its part; it is killed, and its script with it", metadata: facts)
            told.remove(key)
            control.endSupervisor(kind)
        case .isHeld:
            guard told.insert(key).inserted else { return }
            state.withLock { $0.block(key) }
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
        return attempts.map { key, control in
            guard let process = control.process else { return "\(key)" }
            let killed = Dictionary(process.killed.map { ($0.pid, $0.start) }, uniquingKeysWith: { $1 })
            let tree =
                process.hasEnded
                ? processes.filter { killed[$0.pid] == $0.start }
                : processes.filter { $0.pid == process.pid } + processes.descendants(of: process.pid)
            let text = tree.filter { !$0.isDead }.prefix(20).map(\.text).joined(separator: ", ")
            return "\(key)" + (text.isEmpty ? "" : ": \(text)")
        }.sorted()
    }
}
