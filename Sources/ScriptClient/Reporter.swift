import BSON
import Glibc
import NIOCore
import Synchronization
import Threads

/// Delivers what a script reports: the script puts it into a queue, a task on a thread of its own posts what has
/// gathered.
///
/// Every log entry has its identifier, so that a batch whose answer was lost is posted again and counted once. While
/// the daemon is away it goes on trying; what is left at the end goes into a file that the runner reads.
final class Reporter: Sendable {
    private struct State {
        var queue = ReportQueue()
        var task: Task<Void, Never>?
        var waiters: [(goal: Int, isSettled: Signal<Bool>)] = []
        var refusals: [Int: ScriptError] = [:]
        var rejected = 0
        var isTroubleTold = false
        var isFullTold = false
        var hasEnded = false
    }

    /// Bytes of reports that wait at most; whoever reports more then waits.
    static let sizeLimit = 64 << 20
    /// How long the end of a script waits for a daemon that is away.
    static let patience = Duration.seconds(10)
    /// A request without answer is repeated after that.
    private static let answerLimit = Duration.seconds(60)

    private let client: RunnerClient
    private let spoolFile: String?
    private let patience: Duration
    private let state = Mutex(State())
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    init(_ client: RunnerClient, spoolFile: String?, patience: Duration = Reporter.patience) {
        self.client = client
        self.spoolFile = spoolFile
        self.patience = patience
        (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    // MARK: What the script calls

    /// Queues a report; blocks while too much is queued already.
    ///
    /// - Throws: `wrongState` after the end.
    @discardableResult
    func put(_ path: String, _ text: String, isAwaited: Bool = false) throws(ScriptError) -> Int {
        while true {
            let number = try state.withLock { state throws(ScriptError) -> Int? in
                if state.hasEnded {
                    throw ScriptError(.wrongState, "this attempt was finished before; report what there is earlier")
                }
                guard state.queue.size <= Self.sizeLimit else {
                    if !state.isFullTold {
                        state.isFullTold = true
                        let limit = "\(Self.sizeLimit >> 20) MB"
                        Note.write("\(limit) of reports wait for the runner; the script waits with them")
                    }
                    return nil
                }
                if state.task == nil {
                    state.task = Task(executorPreference: DeliveryThread.shared) { await self.deliver() }
                }
                return state.queue.put(path, text, isAwaited: isAwaited)
            }
            if let number {
                signal.yield()
                return number
            }
            usleep(10_000)
        }
    }

    /// Waits until everything up to a report, or up to now, is settled; `false` when the time is over before.
    func flush(to number: Int? = nil, within limit: Duration? = nil) async -> Bool {
        let isSettled = Signal<Bool>()
        let mustWait = state.withLock { state in
            let goal = number ?? state.queue.last
            if state.queue.settled >= goal { return false }
            state.waiters.append((goal, isSettled))
            return true
        }
        if !mustWait { return true }
        let timer = limit.map { DeliveryThread.shared.loop.scheduleTask(in: TimeAmount($0)) { isSettled.set(false) } }
        defer {
            timer?.cancel()
            state.withLock { $0.waiters.removeAll { $0.isSettled === isSettled } }
        }
        return await isSettled.waitUnlessCancelled() ?? false
    }

    /// Posts a report and waits until the runner has it, at most for the time that `patience` gives.
    ///
    /// - Returns: Whether the runner has it; else it is delivered later.
    /// - Throws: What the runner says of it.
    func send(_ path: String, _ text: String) async throws -> Bool {
        let number = try put(path, text, isAwaited: true)
        let isSettled = await flush(to: number, within: patience)
        if let error = state.withLock({ $0.refusals.removeValue(forKey: number) }) { throw error }
        return isSettled
    }

    /// Delivers what there is as long as somebody answers; the rest goes into the spool file.
    func end() async {
        // Not ended by a cancellation of the script's: what was reported is to be kept.
        await Task(executorPreference: DeliveryThread.shared) { await self.close() }.value
    }

    private func close() async {
        let isFirst = state.withLock { state in
            defer { state.hasEnded = true }
            return !state.hasEnded
        }
        guard isFirst else { return }
        var settled = -1
        while true {
            if await flush(within: patience) { break }
            let now = state.withLock { $0.queue.settled }
            if now == settled || patience == .zero { break }
            settled = now
        }
        signal.finish()
        let task = state.withLock { $0.task }
        task?.cancel()
        await task?.value
        let (left, rejected) = state.withLock { ($0.queue.all, $0.rejected) }
        if rejected > 1 { Note.write("\(rejected) reports were rejected in all") }
        guard !left.isEmpty else { return }
        do throws(ScriptError) {
            guard let spoolFile else { throw ScriptError(.unreachable, "there is no TENSORHUB_SPOOL_FILE") }
            try SpoolFile.append(left, to: spoolFile)
        } catch {
            Note.write("\(left.count) reports are lost: \(error)")
        }
    }

    // MARK: Delivery

    private func deliver() async {
        for await _ in signals {
            var pause = RunnerClient.pauses.first
            while case let batch = state.withLock({ $0.queue.batch() }), !batch.isEmpty {
                do {
                    try await post(batch)
                    settle(batch)
                    pause = RunnerClient.pauses.first
                } catch {
                    if Task.isCancelled { return }
                    try? await Task.sleep(for: pause)
                    pause = min(pause * 2, RunnerClient.pauses.longest)
                }
            }
        }
    }

    /// - Throws: What may be otherwise the next time; everything else is settled.
    private func post(_ batch: [Report]) async throws {
        let text =
            batch[0].isLog
            ? "[\(batch.map(\.text).joined(separator: ","))]"
            : batch[batch.count - 1].text  // of progress the latest counts
        do {
            let verb: HTTPVerb = batch[0].path == Report.results ? .put : .post
            _ = try await client.call(verb, batch[0].path, .json(text), limit: Self.answerLimit)
        } catch let error as ScriptError {
            guard !error.isTransient, let status = error.status, status < 500 else {
                tellTrouble(error)
                throw error
            }
            if batch[0].isLog, batch.count > 1, [400, 413, 422].contains(status) {
                // Something in there is at fault: the others are not to suffer from it.
                try await post(Array(batch[..<(batch.count / 2)]))
                try await post(Array(batch[(batch.count / 2)...]))
                return
            }
            reject(batch, error)
        }
    }

    /// What answers, and yet does not take it, is named once: such as a full disk.
    private func tellTrouble(_ error: ScriptError) {
        guard let status = error.status, status >= 500 else { return }
        let isNew = state.withLock { state in
            defer { state.isTroubleTold = true }
            return !state.isTroubleTold
        }
        if isNew { Note.write("reports wait: \(error)") }
    }

    private func reject(_ batch: [Report], _ error: ScriptError) {
        let isFirst = state.withLock { state in
            let before = state.rejected
            for report in batch {
                if report.isAwaited { state.refusals[report.number] = error } else { state.rejected += 1 }
            }
            return before == 0 && state.rejected > 0
        }
        if isFirst { Note.write("a report was rejected: \(error)") }
    }

    private func settle(_ batch: [Report]) {
        let ready = state.withLock { state in
            state.queue.settle(batch)
            let settled = state.queue.settled
            return state.waiters.filter { $0.goal <= settled }
        }
        for waiter in ready { waiter.isSettled.set(true) }
    }
}
