import BSON
import CLibMongoC
import Logging
import Synchronization
import Threads

/// What all lanes of a client share: libmongoc's pool, and what must end before it is destroyed.
///
/// The pool holds as many clients as all lanes together can have jobs, cursors and streams at once; therefore no lane
/// ever waits for a client that another one has. When the last owner lets go without `close()`, the pool is destroyed
/// on a thread that may block.
///
/// `@unchecked Sendable`: `pool` is documented as safe for all threads; the rest is immutable or locked.
final class Connections: @unchecked Sendable {
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
    /// For whole files: no call waits behind one.
    let bulk = BulkThreads()
    let lanes: [ClientLane]
    /// What the servers are, as far as libmongoc's monitors have seen.
    let servers = ServerWatch()
    /// The connection string, for a connection with limits of its own.
    let uri: String

    private let pool: OpaquePointer
    private let parties = PartyNumbers()
    private let state = Mutex(State())
    /// Set once the client is closed and has no activities to wait for.
    private let isIdle = Signal<Void>()
    private let isDestroyed = Signal<Void>()

    private struct State {
        var isClosed = false
        /// Of each lane: jobs that were accepted, open cursors and threads of change streams.
        var activities: [Int]
        var openables: [SerialNumber: WeakOpenable] = [:]
        /// Of each lane.
        var streams: [Int]
        /// The last activity destroys the pool: closing does not wait for it.
        var isAbandoned = false

        init() {
            activities = MongoClient.Lane.allCases.map { _ in 0 }
            streams = activities
        }

        /// Whether everything has ended that closing waits for.
        var isIdle: Bool { zip(MongoClient.Lane.allCases, activities).allSatisfy { $0 == .scripts || $1 == 0 } }
    }

    private struct WeakOpenable {
        weak var value: (any Openable)?
    }

    init(uri text: String, options: MongoClient.Options, logger: Logger?) throws(MongoError) {
        let uri = try MongoURI(text)
        try TLSFiles.check(uri)
        if let logger { LibMongoC.logger.withLock { $0 = logger } }
        uri.setDefault(MONGOC_URI_SERVERSELECTIONTIMEOUTMS, options.serverSelectionTimeout)
        uri.setDefault(MONGOC_URI_SOCKETTIMEOUTMS, options.socketTimeout)
        uri.setDefault(MONGOC_URI_CONNECTTIMEOUTMS, min(options.serverSelectionTimeout, options.socketTimeout))
        if !uri.has(MONGOC_URI_APPNAME) { mongoc_uri_set_appname(uri.pointer, options.applicationName) }
        if uri.has(MONGOC_URI_W) { uri.setDefault(MONGOC_URI_WTIMEOUTMS, options.writeConcernTimeout) }

        hosts = uri.hosts
        self.uri = text
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
        var error = bson_error_t()
        guard let pool = mongoc_client_pool_new_with_error(uri.pointer, &error) else {
            throw MongoError(.invalidURI, MongoURI.explain(error.text, of: text))
        }
        self.pool = pool
        let limit = uri.number(MONGOC_URI_MAXPOOLSIZE).map { max(1, $0) } ?? Int.max
        let timeouts = ClientLane.Timeouts(serverSelection: serverSelectionTimeout, socket: socketTimeout)
        lanes = MongoClient.Lane.allCases.map { ClientLane($0, options, threadLimit: limit, timeouts) }
        mongoc_client_pool_set_error_api(pool, MONGOC_ERROR_API_VERSION_2)
        servers.attach(to: pool)
        mongoc_client_pool_max_size(pool, UInt32(clamping: lanes.reduce(0) { $0 + $1.clients }))
    }

    deinit {
        // Nothing runs any more: jobs, cursors and streams own this object. What is left is only to let go.
        if isDestroyed.isSet { return }
        let handle = PoolHandle(pool: pool, servers: servers)
        lanes[0].threads.submit { handle.destroy() }
        for lane in lanes { lane.threads.shutDown() }
    }

    /// Tells those apart who take turns in a lane.
    func makeParty() -> Int { parties.next() }

    /// A client for its caller alone, who gives it back with `pushClient` after everything derived from it is gone.
    func popClient() throws(MongoError) -> OpaquePointer {
        guard let client = mongoc_client_pool_try_pop(pool) else {
            throw MongoError(.busy, "all connections to \(hosts) are in use")
        }
        return client
    }

    func pushClient(_ client: OpaquePointer) {
        mongoc_client_pool_push(pool, client)
    }
}

// MARK: - Closing

extension Connections {
    /// Counts something that must end before the pool is destroyed.
    func beginActivity(in lane: MongoClient.Lane) throws(MongoError) {
        let isOpen = state.withLock { state in
            if !state.isClosed { state.activities[lane.rawValue] += 1 }
            return !state.isClosed
        }
        guard isOpen else { throw closedError }
    }

    /// Blocks where it is the last one of a client that is closed already.
    func endActivity(in lane: MongoClient.Lane) {
        let (isIdle, isLast) = state.withLock { state in
            state.activities[lane.rawValue] -= 1
            let isLast = state.isAbandoned && state.activities.allSatisfy { $0 == 0 }
            return (state.isClosed && state.isIdle, isLast)
        }
        if isIdle { self.isIdle.set() }
        if isLast { destroy() }
    }

    var closedError: MongoError { MongoError(.closed, "the client of \(hosts) was closed") }

    /// Counts a cursor or stream, and remembers it so that closing ends it.
    func beginActivity(of openable: any Openable, in lane: MongoClient.Lane, isStream: Bool) throws(MongoError) {
        enum Refusal { case closed, tooMany }
        let limit = lanes[lane.rawValue].streams
        let refusal: Refusal? = state.withLock { state in
            if state.isClosed { return .closed }
            if isStream, state.streams[lane.rawValue] >= limit { return .tooMany }
            state.activities[lane.rawValue] += 1
            state.streams[lane.rawValue] += isStream ? 1 : 0
            state.openables[openable.id] = WeakOpenable(value: openable)
            return nil
        }
        switch refusal {
        case .closed: throw closedError
        case .tooMany: throw MongoError(.invalidInput, "\(limit) change streams of this client are open")
        case nil: return
        }
    }

    func endActivity(of openable: SerialNumber, in lane: MongoClient.Lane, isStream: Bool) {
        state.withLock { state in
            state.openables[openable] = nil
            state.streams[lane.rawValue] -= isStream ? 1 : 0
        }
        endActivity(in: lane)
    }

    /// Refuses new calls, ends cursors and streams, waits for what runs, then disconnects. Again: waits for the first.
    ///
    /// Queries of scripts are not waited for: those that wait for their turn are refused, and the last one that the
    /// server works on disconnects.
    func close() async {
        let (isFirst, openables, isIdle) = state.withLock { state in
            defer { state.isClosed = true }
            return (!state.isClosed, state.openables.values.compactMap(\.value), state.isIdle)
        }
        guard isFirst else {
            if !state.withLock({ $0.isAbandoned }) { await isDestroyed.wait() }
            return
        }
        if isIdle { self.isIdle.set() }
        for lane in lanes { lane.threads.refuseAll() }
        for openable in openables { openable.endSoon() }
        await self.isIdle.wait()
        let isUsed = state.withLock { state in
            state.isAbandoned = state.activities.contains { $0 > 0 }
            return state.isAbandoned
        }
        if isUsed { return }
        lanes[0].threads.submit { [self] in destroy() }
        await isDestroyed.wait()
    }

    /// Disconnects. Blocks.
    private func destroy() {
        mongoc_client_pool_destroy(pool)
        for lane in lanes { lane.threads.shutDown() }
        isDestroyed.set()
    }
}

/// A cursor or a change stream: it holds a client of the pool until it ends.
protocol Openable: AnyObject, Sendable {
    var id: SerialNumber { get }

    /// Ends it without waiting; its client comes back on a thread that may block.
    func endSoon()
}

/// `@unchecked Sendable`: used by exactly one thread, the last one.
private struct PoolHandle: @unchecked Sendable {
    let pool: OpaquePointer
    /// The pool's monitors tell it what they see until they have ended.
    let servers: ServerWatch

    func destroy() { withExtendedLifetime(servers) { mongoc_client_pool_destroy(pool) } }
}
