import BSON
import CLibMongoC
import Dispatch
import Logging
import NIOPosix
import Synchronization

/// What a client, its collections, cursors and change streams share: libmongoc's pool and the threads that may block.
///
/// Every call into libmongoc is one job on one of `threads` threads. A job pops a `mongoc_client_t`, uses it and pushes
/// it back, so no C handle crosses an `await`. The pool holds as many clients as there can be jobs, cursors and streams
/// at once; therefore a pop never blocks. When the last owner lets go without `close()`, the pool is destroyed on one of
/// the threads, which then end.
///
/// `@unchecked Sendable`: `pool` is documented as safe for all threads; the rest is immutable or locked.
final class ClientCore: @unchecked Sendable {
    let hosts: String
    let defaultDatabaseName: String?
    let redactedURI: String
    /// Who the server takes us for, in sentences; `nil` where the URI names nobody.
    let user: String?
    /// Whether the URI has a way to log in without a name, as by a certificate.
    let hasMechanism: Bool
    let options: MongoClient.Options
    let logger: Logger?
    /// How long libmongoc looks for a server; also the limit of waiting for a free cursor.
    let serverSelectionTimeout: Duration
    let socketTimeout: Duration
    let cursorSlots: Slots
    /// Messages of file contents that are under way at once: more than two make neither direction faster, and some threads
    /// are left for calls that must not wait behind megabytes.
    let transferSlots: Slots
    /// For whole files: no call waits behind one.
    let bulk = BulkThreads()

    private let pool: OpaquePointer
    private let threadPool: NIOThreadPool
    private let state = Mutex(State())

    private struct State {
        var isClosed = false
        /// Jobs that were accepted, open cursors and threads of change streams.
        var activities = 0
        var openables: [OpenableID: WeakOpenable] = [:]
        var streams = 0
        /// Resumed when `activities` has come down to 0 after closing.
        var idleWaiters: [CheckedContinuation<Void, Never>] = []
        var isDestroyed = false
        var destructionWaiters: [CheckedContinuation<Void, Never>] = []
    }

    private struct WeakOpenable {
        weak var value: (any Openable)?
    }

    init(uri text: String, options: MongoClient.Options, logger: Logger?) throws(MongoError) {
        let uri = try MongoURI(text)
        if let logger { LibMongoC.logger.withLock { $0 = logger } }
        uri.setDefault(MONGOC_URI_SERVERSELECTIONTIMEOUTMS, options.serverSelectionTimeout)
        uri.setDefault(MONGOC_URI_SOCKETTIMEOUTMS, options.socketTimeout)
        uri.setDefault(MONGOC_URI_CONNECTTIMEOUTMS, min(options.serverSelectionTimeout, options.socketTimeout))
        if !uri.has(MONGOC_URI_APPNAME) { mongoc_uri_set_appname(uri.pointer, options.applicationName) }
        if uri.has(MONGOC_URI_W) { uri.setDefault(MONGOC_URI_WTIMEOUTMS, options.writeConcernTimeout) }

        hosts = uri.hosts
        defaultDatabaseName = uri.database
        redactedURI = MongoURI.redact(text)
        user = uri.user
        hasMechanism = uri.hasMechanism
        self.options = options
        self.logger = logger
        serverSelectionTimeout = uri.milliseconds(
            MONGOC_URI_SERVERSELECTIONTIMEOUTMS,
            default: options.serverSelectionTimeout
        )
        socketTimeout = uri.milliseconds(MONGOC_URI_SOCKETTIMEOUTMS, default: options.socketTimeout)
        cursorSlots = Slots(count: max(1, options.maxOpenCursors))

        var error = bson_error_t()
        guard let pool = mongoc_client_pool_new_with_error(uri.pointer, &error) else {
            throw MongoError(.invalidURI, MongoURI.explain(error.text, of: text))
        }
        self.pool = pool
        let limit = uri.number(MONGOC_URI_MAXPOOLSIZE).map { max(1, $0) } ?? Int.max
        let threads = max(1, min(options.threads, limit))
        mongoc_client_pool_set_error_api(pool, MONGOC_ERROR_API_VERSION_2)
        mongoc_client_pool_max_size(
            pool,
            UInt32(clamping: threads + cursorSlots.count + max(0, options.maxOpenChangeStreams))
        )
        transferSlots = Slots(count: max(1, min(2, threads - 1)))
        threadPool = NIOThreadPool(numberOfThreads: threads)
        threadPool.start()
    }

    deinit {
        // Nothing runs any more: jobs, cursors and streams own this object. What is left is only to let go.
        if state.withLock({ $0.isDestroyed }) { return }
        let handle = PoolHandle(pool: pool)
        threadPool.submit { [threadPool] _ in
            handle.destroy()
            threadPool.shutdownGracefully(queue: .global()) { _ in }
        }
    }

    /// Runs `body` with a client of its own on a thread that may block. The call is not interrupted by cancellation of
    /// the calling task: its outcome counts.
    ///
    /// - Parameter action: For the sentence that says that it may not be done.
    func perform<Value: Sendable>(
        _ action: Action,
        _ body: @escaping @Sendable (LentClient) throws(MongoError) -> Value
    ) async throws(MongoError) -> Value {
        try beginActivity()
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<Value, MongoError>, Never>) in
            submit { [self] in
                let result = Result { () throws(MongoError) -> Value in try withClient(body) }
                endActivity()
                continuation.resume(returning: result)
            }
        }
        do { return try result.get() } catch { throw error.naming(action, by: self) }
    }

    /// Like `perform`, for messages of megabytes: they wait for each other rather than make small calls wait.
    func transfer<Value: Sendable>(
        _ action: Action,
        _ body: @escaping @Sendable (LentClient) throws(MongoError) -> Value
    ) async throws(MongoError) -> Value {
        while !(await transferSlots.acquire(within: .seconds(3600))) {
            if Task.isCancelled { throw MongoError(.cancelled, "the task was cancelled before its data was sent") }
        }
        defer { transferSlots.release() }
        return try await perform(action, body)
    }

    /// Runs `body` on a thread that may block, without a client.
    func work<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            submit { continuation.resume(returning: body()) }
        }
    }

    /// Runs `body` on a thread that may block; it always runs.
    func submit(_ body: @escaping @Sendable () -> Void) {
        threadPool.submit { _ in body() }
    }

    /// Lends a client for the time of `body`, which runs on a thread that may block.
    func withClient<Value>(_ body: (LentClient) throws(MongoError) -> Value) throws(MongoError) -> Value {
        let client = try popClient()
        defer { pushClient(client) }
        return try body(LentClient(pointer: client, core: self))
    }

    /// A client for its caller alone, who gives it back with `pushClient` after everything derived from it is gone.
    func popClient() throws(MongoError) -> OpaquePointer {
        guard let client = mongoc_client_pool_try_pop(pool) else {
            throw MongoError(.invalidInput, "all connections to \(hosts) are in use")
        }
        return client
    }

    func pushClient(_ client: OpaquePointer) {
        mongoc_client_pool_push(pool, client)
    }
}

// MARK: - Closing

extension ClientCore {
    /// Counts something that must end before the pool is destroyed.
    func beginActivity() throws(MongoError) {
        let isOpen = state.withLock { state in
            if !state.isClosed { state.activities += 1 }
            return !state.isClosed
        }
        guard isOpen else { throw Self.closedError(hosts) }
    }

    func endActivity() {
        let waiters = state.withLock { state in
            state.activities -= 1
            guard state.activities == 0 else { return [CheckedContinuation<Void, Never>]() }
            defer { state.idleWaiters = [] }
            return state.idleWaiters
        }
        for waiter in waiters { waiter.resume() }
    }

    static func closedError(_ hosts: String) -> MongoError {
        MongoError(.closed, "the client of \(hosts) was closed")
    }

    /// Counts a cursor or stream, and remembers it so that closing ends it.
    func beginActivity(of openable: any Openable, isStream: Bool) throws(MongoError) {
        enum Refusal { case closed, tooMany }
        let refusal: Refusal? = state.withLock { state in
            if state.isClosed { return .closed }
            if isStream, state.streams >= options.maxOpenChangeStreams { return .tooMany }
            state.activities += 1
            state.streams += isStream ? 1 : 0
            state.openables[openable.id] = WeakOpenable(value: openable)
            return nil
        }
        switch refusal {
        case .closed: throw Self.closedError(hosts)
        case .tooMany:
            throw MongoError(.invalidInput, "\(options.maxOpenChangeStreams) change streams of this client are open")
        case nil: return
        }
    }

    func endActivity(of openable: OpenableID, isStream: Bool) {
        state.withLock { state in
            state.openables[openable] = nil
            state.streams -= isStream ? 1 : 0
        }
        endActivity()
    }

    /// Refuses new calls, ends cursors and streams, waits for what runs, then disconnects. Again: waits for the first.
    func close() async {
        let (isFirst, openables) = state.withLock { state in
            defer { state.isClosed = true }
            return (!state.isClosed, state.openables.values.compactMap(\.value))
        }
        guard isFirst else { return await waitForDestruction() }
        for openable in openables { openable.endSoon() }
        await withCheckedContinuation { continuation in
            let isIdle = state.withLock { state in
                if state.activities > 0 { state.idleWaiters.append(continuation) }
                return state.activities == 0
            }
            if isIdle { continuation.resume() }
        }
        let handle = PoolHandle(pool: pool)
        await withCheckedContinuation { continuation in
            threadPool.submit { _ in
                handle.destroy()
                continuation.resume()
            }
        }
        await withCheckedContinuation { continuation in
            threadPool.shutdownGracefully(queue: .global()) { _ in continuation.resume() }
        }
        let waiters = state.withLock { state in
            state.isDestroyed = true
            defer { state.destructionWaiters = [] }
            return state.destructionWaiters
        }
        for waiter in waiters { waiter.resume() }
    }

    private func waitForDestruction() async {
        await withCheckedContinuation { continuation in
            let isDestroyed = state.withLock { state in
                if !state.isDestroyed { state.destructionWaiters.append(continuation) }
                return state.isDestroyed
            }
            if isDestroyed { continuation.resume() }
        }
    }
}

/// A cursor or a change stream: it holds a client of the pool until it ends.
protocol Openable: AnyObject, Sendable {
    var id: OpenableID { get }

    /// Ends it without waiting; its client comes back on a thread that may block.
    func endSoon()
}

/// Tells openables apart. Not by address: a new one may live where one is that is just being destroyed.
struct OpenableID: Hashable, Sendable {
    private static let counter = Atomic<UInt64>(0)
    private let number = counter.add(1, ordering: .relaxed).newValue
}

/// `@unchecked Sendable`: used by exactly one thread, the last one.
private struct PoolHandle: @unchecked Sendable {
    let pool: OpaquePointer

    func destroy() { mongoc_client_pool_destroy(pool) }
}
