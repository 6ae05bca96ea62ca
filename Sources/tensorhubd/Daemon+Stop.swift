import Console
import Glibc
import Logging
import Synchronization
import Systemd
import TaskRunner
import UnixSignals

/// The ladder of signals, and its end.
extension Daemon {
    /// From the last step of the ladder to the end of the process, whatever is still under way.
    private static let lastLimit: Duration = .seconds(10)
    /// How long scripts may take to end when the machine goes down: as long as service managers give everybody.
    private static let departureLimit: Duration = .seconds(90)

    func step(
        _ runner: Runner,
        _ signal: UnixSignal,
        in steps: inout DiscardingTaskGroup,
        _ step: (Runner) -> Runner.StopStep
    ) {
        let taken = step(runner)
        let words = taken.words(next: "The next SIGTERM")
        logger.notice("Stepping down", metadata: ["signal": "\(signal)", "step": "\(words)"])
        notifier.stopping(status: words)
        if case .killing = taken { steps.addTask { await self.endAnyway(runner) } }
    }

    /// The machine goes down (SIGUSR1): nobody waits for scripts until they end by themselves. Their tasks go back,
    /// uncounted.
    func leaveMachine(_ runner: Runner, in steps: inout DiscardingTaskGroup) {
        guard descent.withLock({ $0.announce(isStopping: runner.snapshot.isStopping) }) else { return }
        step(runner, .sigusr1, in: &steps) { $0.release() }
        steps.addTask {
            guard (try? await Task.sleep(for: Self.departureLimit)) != nil else { return }
            self.logger.warning("The machine goes down; what still runs is killed")
            runner.killScripts()
            await self.endAnyway(runner)
        }
    }

    /// Nothing may keep this process: not a disk or a server that hangs, not a process that the kernel holds. What it
    /// leaves is as after a crash, and the next runner takes it up.
    private func endAnyway(_ runner: Runner) async {
        guard (try? await Task.sleep(for: Self.lastLimit)) != nil else { return }
        logger.error(
            "Ending with attempts that are not over; the next runner of this machine takes them up",
            metadata: ["attempts": "\(runner.unfinished)"]
        )
        CommandFrame.end(ExitStatus.done)
    }
}
