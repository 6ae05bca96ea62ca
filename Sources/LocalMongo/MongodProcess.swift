import Files
import Glibc
import Threads

/// A child process in a session of its own, which dies with this process whatever ends it.
///
/// The parent-death signal belongs to the thread that spawned the child, so one thread spawns it and then waits for its
/// end. `setpriv` sets the signal and becomes the program: `posix_spawn` alone cannot.
final class MongodProcess: Sendable {
    let pid: pid_t
    private let end: Signal<CInt>

    private init(pid: pid_t, end: Signal<CInt>) {
        self.pid = pid
        self.end = end
    }

    /// What `waitpid` said; `nil` while it runs.
    var status: CInt? { end.value }

    static func start(_ arguments: [String]) async throws -> MongodProcess {
        let end = Signal<CInt>()
        let spawned: Result<pid_t, LocalMongoError> = await withCheckedContinuation { continuation in
            let isStarted = BlockingThread.start(name: "mongod") {
                let spawned = spawn(arguments)
                continuation.resume(returning: spawned)
                guard case .success(let pid) = spawned else { return }
                var status: CInt = 0
                while waitpid(pid, &status, 0) < 0, errno == EINTR {}
                end.set(status)
            }
            if !isStarted {
                continuation.resume(returning: .failure(LocalMongoError(.startFailed, "no thread can be made")))
            }
        }
        return MongodProcess(pid: try spawned.get(), end: end)
    }

    func signal(_ number: CInt) {
        // The pid cannot belong to a stranger before the waiting thread has reaped it.
        end.ifUnset { _ = kill(pid, number) }
    }

    /// Waits for the end; `false` when it did not come in time.
    func waitForEnd(within limit: Duration) async -> Bool {
        let clock = ContinuousClock()
        let deadline = clock.now + limit
        while !end.isSet {
            if clock.now >= deadline { return false }
            // A cancelled task must not give up on the process: it would be left behind.
            await Task { try? await Task.sleep(for: .milliseconds(10)) }.value
        }
        return true
    }
}

/// POSIX_SPAWN_SETSID, which Glibc's module leaves out because it is a GNU extension.
private let spawnInNewSession: CInt = 0x80

/// The descriptors of this process. One that is closed before the spawn is no error there.
private func openDescriptors() -> [CInt] {
    guard let folder = try? LocalFolder("/proc/self/fd"), let names = try? folder.names() else { return [] }
    return names.compactMap { CInt($0) }
}

/// The variables of this process but our own settings: the connection string of another server is nothing to mongod.
private func ownEnvironment() -> [UnsafeMutablePointer<CChar>?] {
    var result: [UnsafeMutablePointer<CChar>?] = []
    var entry = environ
    while let variable = entry.pointee {
        if strncmp(variable, "TENSORHUB_", 10) != 0 { result.append(variable) }
        entry += 1
    }
    return result + [nil]
}

private func spawn(_ arguments: [String]) -> Result<pid_t, LocalMongoError> {
    let command = ["setpriv", "--pdeathsig", "KILL", "--"] + arguments
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // Its own session: a terminal's Ctrl-C reaches only the parent, who stops the child in order. Signals that the
    // parent ignores or blocks must reach the child.
    posix_spawnattr_setflags(
        &attributes,
        Int16(spawnInNewSession | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK)
    )
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)

    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    for descriptor in openDescriptors() where descriptor > 2 {
        posix_spawn_file_actions_addclose(&actions, descriptor)
    }

    var argv: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
    argv.append(nil)
    defer { for argument in argv { free(argument) } }
    var pid: pid_t = 0
    var variables = ownEnvironment()
    let status = posix_spawnp(&pid, "setpriv", &actions, &attributes, argv, &variables)
    guard status == 0 else {
        return .failure(
            LocalMongoError(
                .startFailed,
                "setpriv (package util-linux) cannot be run: \(FileError.reason(status))"
            )
        )
    }
    return .success(pid)
}
