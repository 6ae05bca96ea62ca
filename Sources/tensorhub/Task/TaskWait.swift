import ArgumentParser
import BSON
import Console
import MongoDriver
import Settings
import TensorHub

/// Waiting until tasks have ended, as `wait` and `submit --wait` do it.
struct TaskWait {
    let hub: Hub
    let selection: TaskSelection
    var timeout: Duration?
    /// Whether nothing is said of how far they are.
    var isQuiet = false
    var isJSON = false

    /// - Throws: The exit status that says how they ended.
    func run() async throws {
        let view = isQuiet ? nil : ProgressView()
        let progress: TaskProgress
        do {
            progress = try await watched(view)
        } catch {
            view?.finish()
            throw error
        }
        view?.finish()
        if isJSON {
            let counts = TaskStatus.all.map { ($0.rawValue, BSONValue(smallest: progress[$0])) }
            StandardOutput.line(
                BSONDocument(elements: [("total", .init(smallest: progress.total))] + counts).extendedJSON()
            )
        }
        if progress.total == 0 { throw await NothingMatched.failure(selection, hub) }
        if !isQuiet {
            StandardError.line(ProgressView.words(progress))
            if progress[.failed] > 0 { StandardError.write(try await FailureList.text(selection, hub)) }
        }
        throw ExitCode(TaskOutcome.status(failed: progress[.failed] > 0, cancelled: progress[.cancelled] > 0))
    }

    /// The wait, and beside it what else a person would like to know.
    private func watched(_ view: ProgressView?) async throws -> TaskProgress {
        guard let view else { return try await wait(nil) }
        return try await withThrowingTaskGroup(of: TaskProgress?.self) { group in
            group.addTask { try await wait(view) }
            group.addTask {
                await WaitOutlook(hub: hub, selection: selection, view: view).run()
                return nil
            }
            defer { group.cancelAll() }
            while let end = try await group.next() {
                if let end { return end }
            }
            throw CancellationError()
        }
    }

    /// A database that is away for a while does not end a wait of hours.
    private func wait(_ view: ProgressView?) async throws -> TaskProgress {
        let clock = ContinuousClock()
        let deadline = timeout.map { clock.now + $0 }
        var outage = Outage()
        while true {
            let rest = deadline.map { max(.zero, clock.now.duration(to: $0)) }
            do {
                return try await hub.waitForTasks(selection, timeout: rest) { view?.show($0) }
            } catch let error as HubError where error.code == .timeout {
                throw CommandFailure(
                    ExitStatus.timeout,
                    "the tasks have not ended within \(Quantity.text(timeout ?? .zero)); they go on, and another wait can follow"
                )
            } catch  where CommandFailure.isTransient(error) {
                outage.begin(error)
            }
            if let deadline, clock.now >= deadline {
                throw CommandFailure(ExitStatus.timeout, "MongoDB did not come back in time; the tasks go on")
            }
            try await Task.sleep(for: Outage.pause)
        }
    }
}
