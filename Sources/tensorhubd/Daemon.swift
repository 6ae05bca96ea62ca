import Console
import Glibc
import Logging
import MongoDriver
import Settings
import Synchronization
import Systemd
import TaskRunner
import TensorHub
import UnixSignals

/// A runner as a service: waits for MongoDB, tells systemd, and takes signals as steps down.
final class Daemon: Sendable {
    private let settings: Settings
    private let options: RunnerOptions
    private let logger: Logger
    private let notifier = Notifier()
    private let runner = Mutex<Runner?>(nil)

    /// Between two tries to reach MongoDB at the start, jittered by a fifth; doubled from one to the other.
    private static let retryPause: (first: Duration, longest: Duration) = (.milliseconds(500), .seconds(5))

    init(_ settings: Settings) throws(CommandFailure) {
        self.settings = settings
        options = try RunnerOptions(settings)
        logger = StandardErrorLog.logger(label: "tensorhubd", level: Logger.Level(rawValue: settings.logLevel) ?? .info)
    }

    /// - Returns: The exit status, once it is drained.
    func run(_ signals: UnixSignalsSequence) async throws -> Int32 {
        try await withSignals(signals) {
            let runner = try await self.makeRunner(try await self.connectPatiently())
            self.notifier.ready(status: "Running tasks of project \(self.settings.project)")
            self.logger.notice(
                "Runner started",
                metadata: [
                    "runner.id": "\(runner.id)", "runner.slots": "\(self.settings.slots)",
                    "project": "\(self.settings.project)", "database": "\(runner.hub.client.redactedURI)",
                ]
            )
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try? await Task.sleep(for: StartupMemory.delay)
                    StartupMemory.release()
                }
                try await runner.run()
                group.cancelAll()
            }
            self.logger.notice("Runner stopped", metadata: ["runner.id": "\(runner.id)"])
            return ExitStatus.done
        }
    }

    /// - Returns: The script's status, 128 and the signal that killed it, 3 where there was no task, 1 for any other
    ///   failure.
    func runOnce(_ signals: UnixSignalsSequence) async throws -> Int32 {
        try await withSignals(signals) {
            let runner = try await self.makeRunner(try await self.connect())
            self.notifier.ready(status: "Running one task of project \(self.settings.project)")
            switch try await runner.runOnce() {
            case .noTask:
                self.logger.notice("There is no task to run", metadata: ["project": "\(self.settings.project)"])
                return ExitStatus.nothingMatched
            case .unreported: return ExitStatus.failure
            case .ended(_, _, let signal?): return 128 + signal
            case .ended(let status, let exit, nil):
                if let exit, exit != 0 { return exit }
                return status == .finished ? ExitStatus.done : ExitStatus.failure
            }
        }
    }

    /// Serves until it is done. Before there is a runner, a signal ends the process at once.
    private func withSignals(
        _ signals: UnixSignalsSequence,
        _ serve: @escaping @Sendable () async throws -> Int32
    ) async throws -> Int32 {
        try await withThrowingTaskGroup(of: Int32?.self) { group in
            group.addTask { try await serve() }
            group.addTask {
                for await signal in signals { self.stepDown(signal) }
                return nil
            }
            let status = try await group.next() ?? nil
            group.cancelAll()
            return status ?? ExitStatus.done
        }
    }

    private func stepDown(_ signal: UnixSignal) {
        guard let runner = runner.withLock({ $0 }) else {
            logger.notice("Stopped before the start", metadata: ["signal": "\(signal)"])
            exit(signal == .sigint ? ExitStatus.interrupted : ExitStatus.done)
        }
        let words = runner.escalate().words(next: "The next SIGTERM")
        logger.notice("Stepping down", metadata: ["signal": "\(signal)", "step": "\(words)"])
        notifier.stopping(status: words)
    }

    // MARK: The start

    private func makeRunner(_ hub: Hub) async throws -> Runner {
        let made = try Runner(hub: hub, options: options, logger: logger)
        runner.withLock { $0 = made }
        return made
    }

    private func connect() async throws(HubError) -> Hub {
        var options = MongoClient.Options()
        options.applicationName = "tensorhubd"
        // A lease must outlive a search for the server by far.
        options.serverSelectionTimeout = min(.seconds(5), settings.lease / 4)
        return try await Hub.connect(uri: settings.uri, project: settings.project, options: options, logger: logger)
    }

    /// The machine may have booted faster than its database: that is no reason to give up.
    private func connectPatiently() async throws -> Hub {
        var pause = Self.retryPause.first
        var hasWarned = false
        while true {
            do {
                let hub = try await connect()
                if hasWarned { logger.notice("MongoDB is there") }
                return hub
            } catch {
                guard CommandFailure.isTransient(error) else { throw error }
                if !hasWarned { logger.warning("MongoDB is away; waiting for it", metadata: ["error": "\(error)"]) }
                hasWarned = true
            }
            notifier.status("Waiting for MongoDB")
            notifier.extendTimeout(.seconds(60))
            try await Task.sleep(for: pause * Double.random(in: 0.8...1.2))
            pause = min(pause * 2, Self.retryPause.longest)
        }
    }
}
