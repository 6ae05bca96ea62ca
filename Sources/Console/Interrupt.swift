import Glibc
import Synchronization

/// Ctrl-C in a command that has nothing to undo: it ends at once with the status for it.
package enum Interrupt {
    /// Whether an unfinished line stands on the terminal, which has to be left first.
    package static var isLineOpen: Bool {
        get { lineIsOpen.load(ordering: .relaxed) }
        set { lineIsOpen.store(newValue, ordering: .relaxed) }
    }

    /// Leaves alone a process that was started with the signal ignored, as by `nohup`.
    package static func endProcessOnSignal() {
        var action = sigaction()
        guard sigaction(SIGINT, nil, &action) == 0, !isIgnored(action) else { return }
        action = sigaction()
        action.__sigaction_handler.sa_handler = endProcess
        sigaction(SIGINT, &action, nil)
    }

    /// Ends the process in silence, with status 0, whatever it is at then.
    package static func endSilently(after limit: Duration) {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in _exit(ExitStatus.done) }
        sigaction(SIGALRM, &action, nil)
        var timer = itimerval()
        timer.it_value.tv_sec = time_t(limit.wholeMilliseconds / 1000)
        timer.it_value.tv_usec = suseconds_t(max(1, limit.wholeMilliseconds % 1000 * 1000))
        setitimer(CInt(ITIMER_REAL.rawValue), &timer, nil)
    }

    private static func isIgnored(_ action: sigaction) -> Bool {
        // SIG_IGN is the address 1; functions cannot be compared.
        unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
    }
}

private let lineIsOpen = Atomic(false)

/// Runs as a signal handler: nothing but async-signal-safe calls.
nonisolated private func endProcess(_ signal: CInt) {
    if lineIsOpen.load(ordering: .relaxed) {
        var lineEnd = UInt8(ascii: "\n")
        write(STDERR_FILENO, &lineEnd, 1)
    }
    _exit(ExitStatus.interrupted)
}
