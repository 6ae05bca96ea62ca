import Console
import Glibc
import HubAPI
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
    /// Reads the settings again, from the same places.
    private let readSettings: @Sendable () throws -> Settings
    private let options: RunnerOptions
    let logger: Logger
    let notifier = Notifier()
    private let runner = Mutex<Runner?>(nil)
    let descent = Mutex(Descent())

    /// Between two tries to reach MongoDB at the start.
    private static let backoff = Backoff(.milliseconds(500), upTo: .seconds(5), spread: 0.2)

    init(_ readSettings: @escaping @Sendable () throws -> Settings) throws {
        settings = try readSettings()
        self.readSettings = readSettings
        var options = try RunnerOptions(settings)
        let level = Logger.Level(rawValue: settings.logLevel) ?? .info
        logger =
            JournalLog.isAvailable
            ? Logger(label: "tensorhubd") { _ in JournalLog(identifier: "tensorhubd", level: level) }
            : StandardErrorLog.logger(label: "tensorhubd", level: level)
        options.scriptServer = APIServer(logger: logger)
        self.options = options
        if let file = settings.exposingFile {
            logger.warning(
                "Every user of this machine can read the password of MongoDB; take that right away (chmod o-r)",
                metadata: ["file": "\(file)"]
            )
        }
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
                if self.notifier.isHeard { group.addTask { await self.keepInformed(runner) } }
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
                // No signal waits for what another one has set going.
                await withDiscardingTaskGroup { steps in
                    for await signal in signals { self.take(signal, in: &steps) }
                    steps.cancelAll()
                }
                return nil
            }
            let status = try await group.next() ?? nil
            group.cancelAll()
            return status ?? ExitStatus.done
        }
    }

    private func take(_ signal: UnixSignal, in steps: inout DiscardingTaskGroup) {
        guard let runner = runner.withLock({ $0 }) else {
            if signal == .sighup { return }
            logger.notice("Stopped before the start", metadata: ["signal": "\(signal)"])
            CommandFrame.end(signal == .sigint ? ExitStatus.interrupted : ExitStatus.done)
        }
        switch signal {
        case .sighup: reload(runner)
        case .sigusr2:
            logger.notice("Handing over: this process ends, the scripts run on", metadata: ["signal": "\(signal)"])
            steps.addTask {
                // Nothing is cleaned up: the next runner finds everything as after a crash, which is how it is tested.
                if await runner.prepareHandOver() { CommandFrame.end(ExitStatus.handedOver) }
            }
        case .sigusr1: leaveMachine(runner, in: &steps)
        default:
            // The service manager's own, which comes with the word that the machine goes down.
            if descent.withLock({ $0.takeAnnounced() }) { return }
            step(runner, signal, in: &steps) { $0.escalate() }
        }
    }

    /// Settings that are wrong change nothing; those that only a restart can change are named.
    private func reload(_ runner: Runner) {
        notifier.reloading()
        defer { notifier.ready(status: status(runner.snapshot)) }
        do {
            let new = try readSettings()
            try runner.reload(try RunnerOptions(new))
            let fixed = settings.differencesThatNeedARestart(from: new)
            logger.notice("Settings read again", metadata: ["runner.slots": "\(new.slots)"])
            if !fixed.isEmpty {
                logger.warning(
                    "Some settings change only at a restart; SIGUSR2 hands the running scripts over to a new daemon",
                    metadata: ["settings": "\(fixed.joined(separator: ", "))"]
                )
            }
        } catch {
            logger.error(
                "The settings cannot be read again; the old ones stay",
                metadata: ["error": "\(CommandFailure(error).message)"]
            )
        }
    }

    // MARK: What systemd hears

    /// No loop takes longer to come round, even where every statement runs into its time-out.
    private static let longestLoop: Duration = .seconds(60)
    /// Between two status lines.
    private static let statusPause: Duration = .seconds(2)

    /// The watchdog is fed only while the loops come round: a daemon that hangs is ended and started again, and takes
    /// its attempts up.
    private func keepInformed(_ runner: Runner) async {
        let watchdog = notifier.watchdogInterval
        var told: Runner.Snapshot?
        var fed = ContinuousClock.now
        var extended = ContinuousClock.now
        while !Task.isCancelled {
            let snapshot = runner.snapshot
            if snapshot != told {
                notifier.status(status(snapshot))
                told = snapshot
            }
            if let watchdog, ContinuousClock.now - fed >= watchdog / 4 {
                if let loop = runner.loopWatch.stuck(for: max(watchdog / 2, Self.longestLoop)) {
                    logger.critical("A loop of the runner stands still", metadata: ["loop": "\(loop.rawValue)"])
                } else {
                    notifier.alive()
                }
                fed = .now
            }
            if snapshot.isStopping, ContinuousClock.now - extended >= .seconds(20) {
                notifier.extendTimeout(.seconds(60))
                extended = .now
            }
            try? await Task.sleep(for: Self.statusPause)
        }
    }

    private func status(_ snapshot: Runner.Snapshot) -> String {
        var text = "\(snapshot.running) of \(counted(snapshot.slots, "slot")) busy, "
        text += "\(counted(snapshot.done, "attempt")) ended; project \(settings.project)"
        if snapshot.blocked > 0 { text += "; \(counted(snapshot.blocked, "slot")) out of service" }
        return snapshot.isStopping ? "Draining: \(text)" : text
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
        // Each of the runner's loops may wait for an answer, and none of them for another; idle threads end.
        options.threads = 8
        // A lease must outlive a search for the server by far.
        options.serverSelectionTimeout = min(.seconds(5), settings.lease / 4)
        // And a statement that a frozen server holds must not be waited for longer than the lease that it may cost.
        options.socketTimeout = min(options.socketTimeout, settings.lease / 2)
        // The runner's loops are its patience: a renewal must not wait behind another statement.
        return try await Hub.connect(
            uri: settings.uri,
            project: settings.project,
            options: options,
            patience: nil,
            logger: logger
        )
    }

    /// The machine may have booted faster than its database: that is no reason to give up.
    private func connectPatiently() async throws -> Hub {
        var isAway = false
        let hub = try await Persistence().untilAccepted(Self.backoff) {
            try await connect()
        } failed: { error, failures in
            guard CommandFailure.isTransient(error) else { throw error }
            if failures == 1 { logger.warning("MongoDB is away; waiting for it", metadata: ["error": "\(error)"]) }
            isAway = true
            notifier.status("Waiting for MongoDB")
            notifier.extendTimeout(.seconds(60))
        }
        guard let hub else { throw CancellationError() }
        if isAway { logger.notice("MongoDB is there") }
        return hub
    }
}
