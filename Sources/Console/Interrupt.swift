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
