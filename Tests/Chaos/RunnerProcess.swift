package import Glibc
import Synchronization
import TestSupport

/// A real `tensorhubd` with a state directory and, where there is one, a proxy of its own.
package final class RunnerProcess: Sendable {
    package struct Options: Sendable {
        package var name: String
        package var uri: String
        package var project: String
        package var slots: Int
        /// Below 15 s it is passed as `TENSORHUB_TEST_LEASE`.
        package var lease: Duration
        package var stateDirectory: String
        package var log: String
        /// Whether it is root where the harness is.
        package var isRoot = false
        /// Variables besides, as `LD_PRELOAD`.
        package var environment: [String: String] = [:]
    }

    package let proxy: TCPProxy?
    private let state: Mutex<(options: Options, process: OwnedProcess?, generation: Int)>

    package init(_ options: Options, proxy: TCPProxy?) {
        self.proxy = proxy
        state = Mutex((options, nil, 0))
    }

    package var options: Options { state.withLock { $0.options } }
    package var pid: pid_t? { state.withLock { $0.process?.pid } }
    package var isRunning: Bool { state.withLock { $0.process.map { $0.status == nil } ?? false } }

    /// The build's folder, where the executables lie beside the test bundle.
    package static let folder: String = {
        guard let path = realpath("/proc/self/exe", nil) else { return "." }
        defer { free(path) }
        let text = String(cString: path)
        return text.lastIndex(of: "/").map { String(text[..<$0]) } ?? "."
    }()

    /// Starts it, or starts it again as a service manager would: with the same state directory.
    package func start() async throws {
        let options = options
        let shortest = Duration.seconds(15)
        var environment = [
            "PATH": getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin", "HOME": options.stateDirectory,
            "TENSORHUB_CONFIG": "/dev/null", "LANG": "C.UTF-8",
        ]
        if options.lease < shortest { environment["TENSORHUB_TEST_LEASE"] = options.lease.settingText }
        if let mark = getenv("TENSORHUB_SCRIPT_MARK") { environment["TENSORHUB_SCRIPT_MARK"] = String(cString: mark) }
        environment.merge(options.environment) { $1 }
        // What its service manager would do.
        if mkdir(options.stateDirectory, 0o700) == 0, !options.isRoot { try Unprivileged.give(options.stateDirectory) }
        let folder = options.isRoot ? Self.folder : try Unprivileged.programs()
        let process = try await OwnedProcess.start(
            [
                "\(folder)/tensorhubd", "--uri", options.uri, "--project", options.project, "--name", options.name,
                "--slots", "\(options.slots)", "--state-directory", options.stateDirectory, "--grace", "2s",
                "--lease", max(options.lease, shortest).settingText,
            ],
            environment: environment,
            output: options.log,
            isUnprivileged: !options.isRoot
        )
        state.withLock { $0.process = process }
    }

    package func signal(_ number: CInt) { state.withLock { $0.process }?.signal(number) }

    /// kill -9 of the daemon alone. A daemon that ended by itself stays known as such until it is started again.
    package func kill() async {
        guard let process = state.withLock({ $0.process }), process.status == nil else { return }
        await process.kill()
        state.withLock { $0.process = nil }
    }

    /// kill -9 of everything on its host. The state directory is given up: the next start is that of a new host.
    ///
    /// - Returns: How many processes of attempts died.
    @discardableResult
    package func loseHost() async -> Int {
        await kill()
        let count = attempts.count
        _ = await AttemptProcess.killAll(under: options.stateDirectory)
        state.withLock {
            $0.generation += 1
            $0.options.name += "-\($0.generation)"
            $0.options.stateDirectory += "-\($0.generation)"
        }
        return count
    }

    /// Changes what the next start uses.
    package func change(_ change: (inout Options) -> Void) { state.withLock { change(&$0.options) } }

    /// The processes of the attempts on its disk.
    package var attempts: [AttemptProcess] { AttemptProcess.all(under: options.stateDirectory) }

    /// SIGTERM: what runs may end. Then the harder steps of the ladder, then SIGKILL.
    ///
    /// - Returns: The exit status, also of one that ended by itself before; 0 where `kill()` was last; `nil` where it
    ///   had to be killed now.
    package func drain(within limit: Duration) async -> CInt? {
        guard let process = state.withLock({ $0.process }) else { return 0 }
        process.signal(SIGCONT)
        for _ in 0..<3 {
            process.signal(SIGTERM)
            if await process.waitForEnd(within: limit) { return process.status }
        }
        await process.kill()
        return nil
    }
}

extension Duration {
    /// As a setting is written.
    var settingText: String { "\(Int64(self / .milliseconds(1)))ms" }

    package static func * (left: Duration, right: Double) -> Duration { .seconds(left / .seconds(1) * right) }
}
