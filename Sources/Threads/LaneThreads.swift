import Dispatch
import Synchronization

/// The threads of a lane, which may block: one is started when there is work and none is idle, up to a limit, and ends
/// when it had nothing to do for a while. Parties take turns (``TurnQueue``).
package final class LaneThreads: Sendable {
    /// Why a job that may be given up was never begun.
    package enum Refusal: Sendable {
        /// It has waited for too long, or too many wait.
        case busy
        case cancelled
        case closed
    }

    /// Something to do. It is either run or, where it may be given up, refused.
    package struct Job: Sendable {
        let id: SerialNumber
        let run: @Sendable () -> Void
        /// `nil` for what must be done however long it waits.
        let refuse: (@Sendable (Refusal) -> Void)?
        let since: ContinuousClock.Instant

        package init(
            id: SerialNumber,
            run: @escaping @Sendable () -> Void,
            refuse: (@Sendable (Refusal) -> Void)?
        ) {
            self.id = id
            self.run = run
            self.refuse = refuse
            since = .now
        }
    }

    private struct State {
        var queue: TurnQueue<Job>
        var threads = 0
        /// Of the threads that wait for work; the last one has waited for the shortest.
        var idle: [DispatchSemaphore] = []
        var isShutDown = false
    }

    package let limit: Int
    private let name: String
    /// How long a job that may be given up waits at most, about: it is looked at when a thread takes the next one.
    private let patience: Duration
    private let state: Mutex<State>

    /// How long a thread waits for more work.
    private static let linger: DispatchTimeInterval = .seconds(10)
    package static let endless: Duration = .seconds(1 << 40)
    /// Jobs of one party that may be given up; further ones are refused at once.
    package static let waitingLimit = 256

    /// - Parameter share: Jobs of one party at once.
    package init(name: String, limit: Int, share: Int = .max, patience: Duration = LaneThreads.endless) {
        self.name = name
        self.limit = max(1, limit)
        self.patience = patience
        state = Mutex(State(queue: TurnQueue(share: share)))
    }

    /// Calls under way, and those that wait for a thread.
    package var load: (running: Int, waiting: Int) { state.withLock { ($0.queue.running, $0.queue.waiting) } }

    package func submit(_ job: Job, of party: Int = 0) {
        enum Step {
            case none, start
            case refuse(Refusal)
            case wake(DispatchSemaphore)
        }
        let step: Step = state.withLock { state in
            if job.refuse != nil {
                if state.isShutDown { return .refuse(.closed) }
                if state.queue.waiting(of: party) >= Self.waitingLimit { return .refuse(.busy) }
            }
            state.queue.add(job, of: party)
            guard state.queue.hasNext else { return .none }
            if let idle = state.idle.popLast() { return .wake(idle) }
            guard state.threads < limit else { return .none }
            state.threads += 1
            return .start
        }
        switch step {
        case .none: break
        case .refuse(let refusal): job.refuse?(refusal)
        case .wake(let thread): thread.signal()
        case .start:
            if BlockingThread.start(name: name, { self.work() }) { return }
            // The system has no more threads. Another one of ours will come to it; without any it is done here.
            let isAlone = state.withLock { state in
                if state.threads == 1 { return true }
                state.threads -= 1
                return false
            }
            if isAlone { work(mayWait: false) }
        }
    }

    package func submit(of party: Int = 0, _ body: @escaping @Sendable () -> Void) {
        submit(Job(id: SerialNumber(), run: body, refuse: nil), of: party)
    }

    /// Gives up what was not begun.
    package func giveUp(_ id: SerialNumber, _ refusal: Refusal = .cancelled) {
        let jobs = state.withLock { $0.queue.remove { $0.id == id && $0.refuse != nil } }
        for job in jobs { job.refuse?(refusal) }
    }

    /// Refuses everything that may be given up, from now on.
    package func refuseAll() {
        let jobs = state.withLock { state in
            state.isShutDown = true
            return state.queue.remove { $0.refuse != nil }
        }
        for job in jobs { job.refuse?(.closed) }
    }

    /// Lets idle threads end at once, and the others when there is nothing more to do.
    package func shutDown() {
        let idle = state.withLock { state in
            state.isShutDown = true
            defer { state.idle = [] }
            return state.idle
        }
        for thread in idle { thread.signal() }
    }

    // MARK: Threads

    private enum Step {
        case run(Job, of: Int)
        case wait, end
    }

    private func work(mayWait: Bool = true) {
        let wakeUp = mayWait ? DispatchSemaphore(value: 0) : nil
        var party: Int?
        while true {
            switch next(after: party, wakeUp) {
            case .run(let job, let owner):
                job.run()
                party = owner
            case .wait:
                party = nil
                if let wakeUp, !wait(wakeUp) { return }
            case .end: return
            }
        }
    }

    /// Takes the next job, and sees to it that somebody takes those behind it.
    ///
    /// - Parameters:
    ///   - ended: The party of the job that the thread has just done.
    ///   - wakeUp: What the thread waits for when there is nothing to do; `nil` for one that ends then.
    private func next(after ended: Int?, _ wakeUp: DispatchSemaphore?) -> Step {
        let (step, other, late) = state.withLock { state -> (Step, DispatchSemaphore?, [Job]) in
            if let ended { state.queue.ended(ended) }
            var late: [Job] = []
            if state.queue.waiting > 0, patience < Self.endless {
                let oldest = ContinuousClock.now - patience
                late = state.queue.remove { $0.refuse != nil && $0.since < oldest }
            }
            if let (party, job) = state.queue.next() {
                // The end of a job may have made more than one possible.
                return (.run(job, of: party), state.queue.hasNext ? state.idle.popLast() : nil, late)
            }
            guard let wakeUp, !state.isShutDown else {
                state.threads -= 1
                return (.end, nil, late)
            }
            state.idle.append(wakeUp)
            return (.wait, nil, late)
        }
        for job in late { job.refuse?(.busy) }
        other?.signal()
        return step
    }

    /// Returns whether to go on; not after a while without work.
    private func wait(_ wakeUp: DispatchSemaphore) -> Bool {
        while true {
            if wakeUp.wait(timeout: .now() + Self.linger) == .success { return true }
            let mustEnd = state.withLock { state in
                // Where it is not among the idle any more, a signal is on its way.
                guard let index = state.idle.firstIndex(where: { $0 === wakeUp }) else { return false }
                state.idle.remove(at: index)
                state.threads -= 1
                return true
            }
            if mustEnd { return false }
        }
    }
}
