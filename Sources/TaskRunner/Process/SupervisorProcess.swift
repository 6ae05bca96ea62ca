import BSON
import CLinux
package import Files
import Glibc
import Synchronization
import TensorHub
import Threads

/// The supervisor of one attempt, as the runner sees it: started, waited for, asked to stop. All signals go through a
/// pidfd, so none can reach a stranger that was given the number later.
package final class SupervisorProcess: Sendable {
    /// How the supervisor itself ended. The script's end is in ``AttemptDirectory/exitRecord()``.
    package enum Ending: Sendable, Equatable {
        case exited(Int32)
        case signaled(Int32)
        /// It was not our child: taken over from an earlier runner.
        case unknown
        /// The machine was restarted since.
        case otherBoot

        /// Whether this runner has started it.
        var isOfChild: Bool {
            switch self {
            case .exited, .signaled: true
            case .unknown, .otherBoot: false
            }
        }

        /// Whether it says that it could not start the script.
        var isFailedStart: Bool { self == .exited(64) || self == .exited(71) }
    }

    private struct State {
        var pidfd: Int32
        /// What was below it when it was killed with all that.
        var killed: [ProcessEntry] = []
    }

    package let pid: Int32
    /// What it keeps to.
    package let limits: SupervisorLimits
    private let isChild: Bool
    private let state: Mutex<State>
    private let ending = Signal<Ending>()

    private init(pid: Int32, pidfd: Int32, isChild: Bool, limits: SupervisorLimits) {
        self.pid = pid
        self.isChild = isChild
        self.limits = limits
        state = Mutex(State(pidfd: pidfd))
    }

    // MARK: Start

    /// The supervisor that belongs to this executable: the configured one, else the one beside the executable.
    package static func locate(configured: String? = nil) throws(AttemptError) -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        let executable = String(decoding: buffer.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let folder = executable.bytes.cut(atLast: "/")?.before ?? ""
        let path = configured ?? "\(folder)/tensorhub-supervisor"
        guard ScriptCommand.isExecutableFile(path) else {
            throw AttemptError(
                .machine,
                "the supervisor '\(path)' does not exist or is not executable; install tensorhub-supervisor beside "
                    + "tensorhubd or set supervisor-path"
            )
        }
        return path
    }

    /// Starts the supervisor of an attempt that is laid out. Blocks for about a millisecond: for pool threads only.
    package static func start(
        supervisor: String,
        directory: AttemptDirectory,
        plan: AttemptPlan,
        command: ScriptCommand,
        environment: ScriptEnvironment
    ) throws -> SupervisorProcess {
        let limits = SupervisorLimits(plan)
        var arguments = [supervisor] + limits.words
        arguments += ["--output-limit", "\(max(plan.outputLimit, 0))", "--output-head", "\(OutputReader.head)"]
        if let limit = OpenFileLimit.former { arguments += ["--open-files", "\(limit)"] }
        if let folder = plan.options.workingDirectory { arguments += ["--cwd", folder] }
        arguments += [directory.path, "--"] + command.arguments
        let pid = try spawn(arguments, environment.entries)
        return try watch(pid: pid, pidfd: tensorhub_pidfd_open(pid), isChild: true, limits)
    }

    /// Takes over a supervisor that an earlier runner started; nil when it has ended.
    ///
    /// - Throws: Where the machine is too short of something to tell.
    package static func takeOver(_ processes: AttemptProcesses) throws(FileError) -> SupervisorProcess? {
        let identity = processes.supervisor
        guard try bootID() == processes.bootID else { return nil }
        let pidfd = tensorhub_pidfd_open(identity.pid)
        guard pidfd >= 0 else {
            // Nobody has the number, or a thread of a stranger's.
            if errno == ESRCH || errno == EINVAL || errno == ENOENT { return nil }
            throw FileError("open process", "\(identity.pid)")
        }
        let limits: SupervisorLimits
        do throws(FileError) {
            // Asked after the descriptor was opened: now the number belongs to the process that the descriptor is for.
            guard try startTime(of: identity.pid) == identity.start else {
                close(pidfd)
                return nil
            }
            limits = try commandLineLimits(of: identity.pid)
        } catch {
            close(pidfd)
            throw error
        }
        return try watch(pid: identity.pid, pidfd: pidfd, isChild: false, limits)
    }

    private static func commandLineLimits(of pid: Int32) throws(FileError) -> SupervisorLimits {
        do throws(FileError) {
            return SupervisorLimits(commandLine: try LocalFolder("/proc/\(pid)").readAll("cmdline"))
        } catch {
            if error.mayPass { throw error }
            // It is just going.
            return SupervisorLimits(commandLine: [])
        }
    }

    private static func watch(
        pid: Int32,
        pidfd: Int32,
        isChild: Bool,
        _ limits: SupervisorLimits
    ) throws(FileError) -> SupervisorProcess {
        let process = SupervisorProcess(pid: pid, pidfd: pidfd, isChild: isChild, limits: limits)
        guard pidfd >= 0, ExitWatcher.shared.watch(pidfd, onExit: { process.collect() }) else {
            let error = FileError("watch", "supervisor \(pid)")
            if isChild {
                // Our child, not yet waited for: the number is still its own.
                Glibc.kill(pid, SIGKILL)
                waitpid(pid, nil, 0)
            }
            if pidfd >= 0 { close(pidfd) }
            throw error
        }
        return process
    }

    private static func spawn(_ arguments: [String], _ environment: [String]) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0)
        posix_spawn_file_actions_adddup2(&actions, 0, 1)
        posix_spawn_file_actions_adddup2(&actions, 0, 2)
        // All other descriptors are closed by the supervisor's first call.

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        let flags = Int32(TENSORHUB_SPAWN_SETSID) | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
        posix_spawnattr_setflags(&attributes, Int16(flags))

        var pid: pid_t = 0
        let error = withCStrings(arguments) { arguments in
            withCStrings(environment) { posix_spawn(&pid, arguments[0]!, &actions, &attributes, arguments, $0) }
        }
        guard error == 0 else {
            if error == E2BIG {
                throw AttemptError(
                    .cannotStart,
                    "the script's arguments and variables are more than the kernel passes on"
                )
            }
            throw FileError("start", arguments[0], error)
        }
        return pid
    }

    // MARK: End

    /// Waits until the supervisor has ended; it has then written `exit.json` or lost its directory.
    package func wait() async -> Ending { await ending.wait() }

    /// Runs on the watcher's thread when the process has ended.
    private func collect() {
        var ending = Ending.unknown
        var status: Int32 = 0
        if isChild, waitpid(pid, &status, WNOHANG) == pid {
            let signal = status & 0x7F
            ending = signal == 0 ? .exited((status >> 8) & 0xFF) : .signaled(signal)
        }
        state.withLock { state in
            close(state.pidfd)
            state.pidfd = -1
            // Under the lock: its number may be another process's from here on.
            self.ending.set(ending)
        }
    }

    /// Those below it that were killed together with it, and that may still be there.
    var killed: [ProcessEntry] {
        get { state.withLock { $0.killed } }
        set { state.withLock { $0.killed = newValue } }
    }

    var hasEnded: Bool { ending.isSet }

    // MARK: Signals

    /// SIGTERM to the script and its session, after the grace period SIGKILL to all of its processes.
    package func requestStop() { send(SIGTERM, SIGCONT) }

    /// SIGKILL to all of the script's processes now.
    package func requestKill() { send(SIGQUIT, SIGCONT) }

    /// Has one go on that somebody has stopped, as each request does too.
    func resume() { send(SIGCONT) }

    /// Has it stand still.
    func pause() { send(SIGSTOP) }

    /// SIGKILL to the supervisor itself, for one that does not answer. The script dies with it, what it has forked
    /// lives.
    package func killSupervisor() { send(SIGKILL) }

    private func send(_ signals: Int32...) {
        state.withLock { state in
            guard state.pidfd >= 0 else { return }
            for signal in signals { _ = tensorhub_pidfd_send_signal(state.pidfd, signal) }
        }
    }
}

/// The start time of a process in clock ticks since boot; nil when it is gone.
///
/// - Throws: Where the machine is too short of something to tell.
func startTime(of pid: Int32) throws(FileError) -> UInt64? {
    let bytes: [UInt8]
    do throws(FileError) { bytes = try LocalFolder("/proc/\(pid)").readAll("stat") } catch {
        if error.mayPass { throw error }
        return nil
    }
    // The name is in parentheses and may hold anything: the fields begin after the last one.
    let text = String(decoding: bytes, as: UTF8.self)
    guard let end = text.lastIndex(of: ")") else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    return fields.count > 19 ? UInt64(fields[19]) : nil
}

/// Names the time since the machine was last started: process numbers of another one mean nothing.
func bootID() throws(FileError) -> String {
    let bytes = try LocalFolder("/proc/sys/kernel/random").readAll("boot_id")
    return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
}

/// The strings as a null-terminated array of C strings.
private func withCStrings<Result>(
    _ strings: [String],
    _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
    var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    return body(pointers)
}
