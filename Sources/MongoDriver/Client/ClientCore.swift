import BSON
import Synchronization
import Threads

/// What a client, its collections, cursors and change streams hold: the connections, and the lane that their calls go
/// by.
///
/// Every call into libmongoc is one job on one of the lane's threads. A job pops a `mongoc_client_t`, uses it and
/// pushes it back, so no C handle crosses an `await`.
struct ClientCore: Sendable {
    let connections: Connections
    let lane: ClientLane
    /// Whose turn it is where callers take turns.
    let party: Int
    /// Places for cursors of this party, so that none has all of the lane's; `nil` where there are no parties.
    let partySlots: Slots?

    init(_ connections: Connections, _ lane: MongoClient.Lane = .vital) {
        self.connections = connections
        self.lane = connections.lanes[lane.rawValue]
        party = lane == .scripts ? connections.makeParty() : 0
        partySlots = lane == .scripts ? Slots(count: max(1, connections.options.scripts.cursorShare)) : nil
    }

    var hosts: String { connections.hosts }
    var defaultDatabaseName: String? { connections.defaultDatabaseName }
    /// What the servers are, as far as libmongoc's monitors have seen.
    var servers: ServerWatch { connections.servers }
    /// The connection string, for a connection with limits of its own.
    var uri: String { connections.uri }
    var options: MongoClient.Options { connections.options }
    var serverSelectionTimeout: Duration { connections.serverSelectionTimeout }
    var socketTimeout: Duration { connections.socketTimeout }
    /// How long the server may work on a query that names no limit of its own.
    var queryLimit: Duration? { lane.queryLimit }

    /// Who the server takes us for, in sentences; `nil` where the URI names nobody.
    var user: String? { connections.user }
    /// Whether the URI has a way to log in without a name, as by a certificate.
    var hasMechanism: Bool { connections.hasMechanism }

    /// Runs `body` with a client of its own on a thread that may block. The call is not interrupted by cancellation of
    /// the calling task: its outcome counts. But see `call` about the queries of scripts.
    ///
    /// - Parameter action: For the sentence that says that it may not be done.
    func perform<Value: Sendable>(
        _ action: Action,
        _ body: @escaping @Sendable (LentClient) throws(MongoError) -> Value
    ) async throws(MongoError) -> Value {
        try connections.beginActivity(in: lane.lane)
        do throws(MongoError) {
            return try await call {
                defer { connections.endActivity(in: lane.lane) }
                return Result { () throws(MongoError) -> Value in try withClient(body) }
            } refused: {
                connections.endActivity(in: lane.lane)
            }
        } catch {
            throw error.naming(action, by: self)
        }
    }

    /// Runs `body` on a thread that may block.
    ///
    /// In lane `scripts` a call waits for its turn only so long, and a cancelled one returns at once: what the server
    /// works on is left to itself.
    ///
    /// - Parameter refused: Called in the place of `body` where its turn never came; must not block.
    func call<Value: Sendable>(
        _ body: @escaping @Sendable () -> Result<Value, MongoError>,
        refused: @escaping @Sendable () -> Void
    ) async throws(MongoError) -> Value {
        if lane.lane == .scripts { return try await patientCall(body, refused) }
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<Value, MongoError>, Never>) in
            submit { continuation.resume(returning: body()) }
        }
        return try result.get()
    }

    private func patientCall<Value: Sendable>(
        _ body: @escaping @Sendable () -> Result<Value, MongoError>,
        _ refused: @escaping @Sendable () -> Void
    ) async throws(MongoError) -> Value {
        let id = SerialNumber()
        let answer = Signal<Result<Value, MongoError>>()
        let result = await withTaskCancellationHandler {
            let job = LaneThreads.Job(
                id: id,
                run: { answer.set(body()) },
                refuse: { refusal in
                    refused()
                    answer.set(.failure(error(refusal)))
                }
            )
            lane.threads.submit(job, of: party)
            // Cancellation may have come before there was anything to give up.
            if Task.isCancelled { lane.threads.giveUp(id) }
            return await answer.wait()
        } onCancel: {
            lane.threads.giveUp(id)
            answer.set(.failure(error(.cancelled)))
        }
        return try result.get()
    }

    private func error(_ refusal: LaneThreads.Refusal) -> MongoError {
        switch refusal {
        case .closed: connections.closedError
        case .cancelled: MongoError(.cancelled, "the task was cancelled before its query was answered")
        case .busy:
            MongoError(
                .busy,
                "too many queries wait for their turn (\(lane.threads.load.waiting), of which \(lane.threads.limit) are "
                    + "answered at once); ask again later, or ask for more with one query"
            )
        }
    }

    /// Like `perform`, for messages of megabytes: they wait for each other rather than make small calls wait.
    func transfer<Value: Sendable>(
        _ action: Action,
        _ body: @escaping @Sendable (LentClient) throws(MongoError) -> Value
    ) async throws(MongoError) -> Value {
        while !(await lane.transferSlots.acquire(within: .seconds(3600))) {
            if Task.isCancelled { throw MongoError(.cancelled, "the task was cancelled before its data was sent") }
        }
        defer { lane.transferSlots.release() }
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
        lane.threads.submit(of: party, body)
    }

    /// Lends a client for the time of `body`, which runs on a thread that may block.
    func withClient<Value>(_ body: (LentClient) throws(MongoError) -> Value) throws(MongoError) -> Value {
        let client = try connections.popClient()
        defer { connections.pushClient(client) }
        return try body(LentClient(pointer: client, core: self))
    }

    func popClient() throws(MongoError) -> OpaquePointer { try connections.popClient() }

    func pushClient(_ client: OpaquePointer) { connections.pushClient(client) }

    // MARK: Cursors and streams

    /// - Returns: Why there is no place for another cursor; `nil` where there is one, to be given back.
    func acquireCursor() async -> MongoError? {
        for (index, slots) in [partySlots, lane.cursorSlots].compactMap(\.self).enumerated() {
            if await slots.acquire(within: lane.cursorPatience) { continue }
            if index > 0 { partySlots?.release() }
            if Task.isCancelled {
                return MongoError(.cancelled, "the task was cancelled before its query was sent")
            }
            return MongoError(
                .busy,
                "\(slots.count) cursors of this client are open, and none ended within \(lane.cursorPatience)"
            )
        }
        return nil
    }

    func releaseCursor() {
        lane.cursorSlots.release()
        partySlots?.release()
    }

    var closedError: MongoError { connections.closedError }

    func beginActivity(of openable: any Openable, isStream: Bool) throws(MongoError) {
        try connections.beginActivity(of: openable, in: lane.lane, isStream: isStream)
    }

    func endActivity(of openable: SerialNumber, isStream: Bool) {
        connections.endActivity(of: openable, in: lane.lane, isStream: isStream)
    }
}
