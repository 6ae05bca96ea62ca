package import BSON
import Files
package import Glibc
import Threads

/// A command that this program has started, in the same process group, so that a terminal treats both as one.
package final class ChildProcess: Sendable {
    package let pid: pid_t
    private let status = Signal<Int32>()

    private init(pid: pid_t) {
        self.pid = pid
    }

    /// The folder of this program.
    package static var executableFolder: String? {
        guard let path = realpath("/proc/self/exe", nil) else { return nil }
        defer { free(path) }
        let text = String(cString: path)
        return text.bytes.cut(atLast: "/")?.before
    }

    /// - Throws: A failure of status 127 or 126, as a shell's, where the program cannot be started.
    package static func start(_ command: [String], environment: [ByteString: String]) throws(CommandFailure)
        -> ChildProcess
    {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // This process ignores or takes signals that the command must not.
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)

        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
        var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0.key.text)=\($0.value)") }
        arguments.append(nil)
        variables.append(nil)
        defer { for text in arguments + variables { free(text) } }
        var pid: pid_t = 0
        var status = ENOENT
        // By the command's own PATH; posix_spawnp would look in that of this process.
        for path in candidates(command[0], environment["PATH"] ?? "/usr/bin:/bin") {
            let next = posix_spawn(&pid, path, nil, &attributes, arguments, variables)
            if next == 0 || status == ENOENT { status = next }
            if status == 0 { break }
        }
        guard status == 0 else {
            throw CommandFailure(
                status == ENOENT ? 127 : 126,
                "\(command[0]) cannot be started: \(FileError.reason(status))"
            )
        }
        let child = ChildProcess(pid: pid)
        guard BlockingThread.start(name: "command", { child.reap() }) else {
            kill(pid, SIGKILL)
            throw CommandFailure.failure("no thread can be made")
        }
        return child
    }

    private static func candidates(_ name: String, _ path: String) -> [String] {
        if name.bytes.contains("/") { return [name] }
        return path.bytes.split(separator: ":", omittingEmptySubsequences: false).map {
            "\($0 == "" ? "." : $0)/\(name)"
        }
    }

    package func signal(_ number: CInt) {
        // Not once it is reaped: the pid may be a stranger's then.
        status.ifUnset { _ = kill(pid, number) }
    }

    /// Its exit status, or 128 and the signal that ended it.
    package func wait() async -> Int32 { await status.wait() }

    private func reap() {
        var status: CInt = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        let isExit = status & 0x7F == 0
        self.status.set(isExit ? (status >> 8) & 0xFF : 128 + (status & 0x7F))
    }
}
