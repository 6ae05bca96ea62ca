import BSON
import Dispatch
import Synchronization
import Threads

/// Hands events from the thread that waits for them to the tasks that consume them.
///
/// The buffer is bounded: a thread that finds it full waits, and so does the server. All decisions are in `State`; the
/// thread is in ChangeStreamSource+Thread.swift.
final class ChangeStreamSource: Openable {
    let id = SerialNumber()
    let core: ClientCore
    let namespace: Namespace
    let pipeline: [BSONDocument]
    let options: ChangeStreamOptions

    private let state = Mutex(State())
    private let opened = Signal<Result<Void, MongoError>>()
    /// Signalled when the thread shall look again: there is room, or it shall end.
    private let wakeUp = DispatchSemaphore(value: 0)

    /// How many events wait at most for a slow consumer, and how many bytes (one event may be larger).
    static let bufferLimit = (events: 64, bytes: 4 << 20)

    enum Delivery: Sendable {
        case event(ChangeEvent)
        case end(MongoError?)
    }

    fileprivate struct State {
        var phase = Phase.fresh
        var buffer: [ChangeEvent] = []
        var bufferedBytes = 0
        var token: BSONDocument?
        var mustStop = false
        var threadWaits = false
        var consumers: [CheckedContinuation<Delivery, Never>] = []
    }

    fileprivate enum Phase {
        case fresh
        case opening
        case open
        /// Ended; the failure is thrown once.
        case ended(MongoError?)
    }

    init(core: ClientCore, namespace: Namespace, pipeline: [BSONDocument], options: ChangeStreamOptions) {
        self.core = core
        self.namespace = namespace
        self.pipeline = pipeline
        self.options = options
    }
}

// MARK: - The consumers' side

extension ChangeStreamSource {
    var resumeToken: BSONDocument? { state.withLock { $0.token ?? options.resumeAfter } }

    func open() async throws(MongoError) {
        try start()
        let result: Result<Void, MongoError> = await withTaskCancellationHandler {
            let failure: MongoError?? = state.withLock { state in
                if case .ended(let failure) = state.phase { failure } else { nil }
            }
            return if let failure { .failure(failure ?? Self.endedError(namespace)) } else { await opened.wait() }
        } onCancel: {
            endSoon()
        }
        try result.get()
    }

    func next() async throws(MongoError) -> ChangeEvent? {
        if Task.isCancelled { endSoon() }
        try start()
        let delivery = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Delivery, Never>) in
                let delivery = state.withLock { state in
                    let delivery = state.take()
                    if delivery == nil { state.consumers.append(continuation) }
                    return delivery
                }
                if let delivery { continuation.resume(returning: delivery) }
            }
        } onCancel: {
            endSoon()
        }
        wakeThread()
        switch delivery {
        case .event(let event): return event
        case .end(nil): return nil
        case .end(let failure?): throw failure
        }
    }

    /// Ends what consumers see at once, and the thread when its round trip is over.
    func endSoon() {
        let consumers = state.withLock { state in
            state.mustStop = true
            return state.end(nil)
        }
        wakeThread(always: true)
        for consumer in consumers { consumer.resume(returning: .end(nil)) }
        opened.set(.failure(Self.endedError(namespace)))
    }

    static func endedError(_ namespace: Namespace) -> MongoError {
        MongoError(.cancelled, "the change stream of \(namespace.collection) was ended")
    }

    private func wakeThread(always: Bool = false) {
        let mustSignal = state.withLock { state in
            guard state.threadWaits, always || state.hasRoom else { return false }
            state.threadWaits = false
            return true
        }
        if mustSignal { wakeUp.signal() }
    }

    private func start() throws(MongoError) {
        let isFirst = state.withLock { state in
            guard case .fresh = state.phase else { return false }
            state.phase = .opening
            return true
        }
        guard isFirst else { return }
        do throws(MongoError) {
            try namespace.check()
            try core.beginActivity(of: self, isStream: true)
        } catch {
            finish(error)
            throw takeFailure() ?? error
        }
        let isStarted = BlockingThread.start(name: "change stream") { [self] in
            let failure = runThread()
            finish(failure)
            core.endActivity(of: id, isStream: true)
        }
        if !isStarted {
            finish(MongoError(.invalidInput, "the system has no thread for a change stream"))
            core.endActivity(of: id, isStream: true)
        }
    }

    private func takeFailure() -> MongoError? {
        state.withLock { state in
            guard case .ended(let failure) = state.phase else { return nil }
            state.phase = .ended(nil)
            return failure
        }
    }
}

// MARK: - The thread's side

extension ChangeStreamSource {
    var mustStop: Bool { state.withLock { $0.mustStop } }

    func didOpen() {
        let isOpen = state.withLock { state in
            guard case .opening = state.phase else { return false }
            state.phase = .open
            return true
        }
        // One that has ended meanwhile says so itself.
        if isOpen { opened.set(.success(())) }
    }

    /// Hands an event over; waits while the buffer is full. Returns `false` when the stream shall end.
    func deliver(_ event: ChangeEvent) -> Bool {
        while true {
            enum Step {
                case stop, wait
                case done(CheckedContinuation<Delivery, Never>?)
            }
            let step: Step = state.withLock { state in
                if state.mustStop { return .stop }
                if !state.consumers.isEmpty {
                    state.token = event.resumeToken
                    return .done(state.consumers.removeFirst())
                }
                guard state.hasRoom else {
                    state.threadWaits = true
                    return .wait
                }
                state.buffer.append(event)
                state.bufferedBytes += event.document.bytes.count
                return .done(nil)
            }
            switch step {
            case .stop: return false
            case .wait: wakeUp.wait()
            case .done(let consumer):
                consumer?.resume(returning: .event(event))
                return true
            }
        }
    }

    /// The server has got so far without an event for us.
    func advance(to token: BSONDocument) {
        state.withLock { if $0.buffer.isEmpty { $0.token = token } }
    }

    private func finish(_ failure: MongoError?) {
        let consumers = state.withLock { $0.end(failure) }
        for (index, consumer) in consumers.enumerated() { consumer.resume(returning: .end(index == 0 ? failure : nil)) }
        opened.set(.failure(failure ?? Self.endedError(namespace)))
    }
}

extension ChangeStreamSource.State {
    var hasRoom: Bool {
        buffer.isEmpty
            || (buffer.count < ChangeStreamSource.bufferLimit.events
                && bufferedBytes < ChangeStreamSource.bufferLimit.bytes)
    }

    /// What a consumer gets at once; `nil` when it must wait.
    mutating func take() -> ChangeStreamSource.Delivery? {
        if !mustStop, !buffer.isEmpty {
            let event = buffer.removeFirst()
            bufferedBytes -= event.document.bytes.count
            token = event.resumeToken
            return .event(event)
        }
        guard case .ended(let failure) = phase else { return nil }
        phase = .ended(nil)
        return .end(failure)
    }

    /// Ends the stream, unless it has ended; the caller answers those who wait.
    mutating func end(_ failure: MongoError?) -> [CheckedContinuation<ChangeStreamSource.Delivery, Never>] {
        if case .ended = phase { return [] }
        // A waiting consumer takes the failure; else it is kept for the next.
        phase = .ended(consumers.isEmpty ? failure : nil)
        defer { consumers = [] }
        return consumers
    }
}
