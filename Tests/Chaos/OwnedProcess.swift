package import Glibc
import MongoDriver
import Synchronization
import TestSupport
import Threads

/// A child process in a session of its own, which dies with this process whatever ends it, and whose output goes to a
/// file.
///
/// The parent-death signal belongs to the thread that spawned the child: one thread spawns it and waits for its end.
package final class OwnedProcess: Sendable {
    package let pid: pid_t
    private let end: Mutex<CInt?>

    private init(pid: pid_t) {
        self.pid = pid
        end = Mutex(nil)
    }

    /// The exit status; the negative number of the signal that ended it; `nil` while it runs.
    package var status: CInt? { end.withLock { $0 } }

    /// - Parameters:
    ///   - arguments: The program first; looked for in `PATH` where it has no slash.
    ///   - environment: Everything that it finds there; `nil` for this process's.
    ///   - output: The path of the file that both of its streams are appended to.
    ///   - isUnprivileged: Whether it gives up being root.
    package static func start(
        _ arguments: [String],
        environment: [String: String]? = nil,
        output: String,
        isUnprivileged: Bool = false
    ) async throws -> OwnedProcess {
        let started: Result<OwnedProcess, ChaosError> = await withCheckedContinuation { continuation in
            let hasThread = BlockingThread.start(name: "child") {
                let spawned = spawn(arguments, environment, output, isUnprivileged)
                let process = spawned.map { OwnedProcess(pid: $0) }
                continuation.resume(returning: process)
                guard case .success(let process) = process else { return }
                var status: CInt = 0
                while waitpid(process.pid, &status, 0) < 0, errno == EINTR {}
                let isExit = status & 0x7F == 0
                process.end.withLock { $0 = isExit ? (status >> 8) & 0xFF : -(status & 0x7F) }
            }
            if !hasThread { continuation.resume(returning: .failure(ChaosError("no thread can be made"))) }
        }
        return try started.get()
    }

    package func signal(_ number: CInt) {
        // Not while its end is being noted: the pid may be a stranger's afterwards.
        end.withLock { if $0 == nil { _ = Glibc.kill(pid, number) } }
    }

    /// Waits for the end; `false` when it did not come in time.
    package func waitForEnd(within limit: Duration) async -> Bool {
        // A cancelled test must not give up on the process: it would be left behind.
        await Task { await eventually(within: limit) { self.status != nil } }.value
    }

    /// SIGKILL, and the wait for the end.
    package func kill() async {
        signal(SIGKILL)
        _ = await waitForEnd(within: .seconds(60))
    }
}

/// POSIX_SPAWN_SETSID, which Glibc's module leaves out because it is a GNU extension.
private let spawnInNewSession: CInt = 0x80

private func spawn(
    _ arguments: [String],
    _ environment: [String: String]?,
    _ output: String,
    _ isUnprivileged: Bool
) -> Result<pid_t, ChaosError> {
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, Int16(spawnInNewSession | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o644)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    // What another test has open would otherwise live as long as this child.
    for descriptor in openDescriptors() where descriptor > 2 {
        posix_spawn_file_actions_addclose(&actions, descriptor)
    }
    // The kernel forgets the signal when the user changes: that comes first.
    let owned = ["setpriv", "--pdeathsig", "KILL", "--"] + arguments
    let command = isUnprivileged ? Unprivileged.command(owned) : owned
    var words: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
    var variables: [UnsafeMutablePointer<CChar>?] = []
    if let environment { variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil] }
    defer { for text in words + variables { free(text) } }
    var pid: pid_t = 0
    let status =
        environment == nil
        ? posix_spawnp(&pid, "setpriv", &actions, &attributes, &words, environ)
        : posix_spawnp(&pid, "setpriv", &actions, &attributes, &words, &variables)
    guard status == 0 else {
        return .failure(ChaosError("setpriv (package util-linux) cannot be run: \(String(cString: strerror(status)))"))
    }
    return .success(pid)
}

private func openDescriptors() -> [CInt] {
    guard let directory = opendir("/proc/self/fd") else { return [] }
    defer { closedir(directory) }
    var result: [CInt] = []
    while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if let descriptor = CInt(name) { result.append(descriptor) }
    }
    return result
}
