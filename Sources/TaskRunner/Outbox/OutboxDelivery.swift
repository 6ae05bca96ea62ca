import BSON
import Files
import Glibc
import Logging
import MongoDriver
import Synchronization
import TensorHub
import Threads

/// Carries what a script has written from its `Outbox` to MongoDB: in order, each once, for as long as MongoDB is away.
///
/// One statement is under way at a time; what comes meanwhile goes together in the next. What MongoDB refuses for good
/// is told in the log, counted and left out; it never holds up the rest.
final class OutboxDelivery: Sendable {
    struct State {
        var appended = Outbox.Position(segment: 1, offset: 0)
        var delivered = Outbox.Position(segment: 1, offset: 0)
        /// The last try has failed: MongoDB is away.
        var isFailing = false
        var isClosed = false
        var refused = 0
        var settlers: [(target: Outbox.Position, done: Signal<Void>)] = []
        /// The newest checkpoint that a record names: older ones are not worth storing any more.
        var newestCheckpoint = 0
        /// Whether bytes were sent to GridFS, which a cut connection may have left in pieces.
        var hasUploaded = false
        /// The number of the checkpoint that is being stored.
        var underWay: Int?
        /// An earlier runner has left something that could not be read so far.
        var mustRecover = false
        /// What the script could not send is still in its file.
        var hasUntaken = false
        /// Delivered, and their files still there.
        var discards: [OutboxRecord] = []
        var storedCheckpoint: TaskCheckpoint?
        /// Whether an earlier runner may have died in the middle of an upload of this attempt's.
        var mustDropUploads = false
    }

    /// What a single try came to.
    private enum Verdict {
        case delivered
        case refused(HubError)
        /// The runner gives up, or the attempt is no longer ours.
        case over
    }

    let outbox: Outbox
    private let sink: OutboxSink
    let pool: TurnThreads
    let logger: Logger
    /// Asked before each statement: whether the attempt is no longer ours, so that nothing more is to be sent.
    let isLost: @Sendable () -> Bool
    let persistence: Persistence
    let state = Mutex(State())
    private let ended = Signal<Void>()
    /// What MongoDB has against taking the next record, other than being away.
    let block: DeliveryBlock
    /// Held while what an earlier runner has left is read.
    let recovery = Mutex(())
    private let wakes: AsyncStream<Void>
    let wake: AsyncStream<Void>.Continuation

    /// The most records that go in one statement.
    static let batchLimit = 1000
    /// Lets lines that are written one by one gather.
    static let gathering: Duration = .milliseconds(20)

    init(
        _ outbox: Outbox,
        sink: OutboxSink,
        pool: TurnThreads,
        availability: Availability,
        logger: Logger,
        isLost: @escaping @Sendable () -> Bool,
        persistence: Persistence
    ) {
        self.outbox = outbox
        self.sink = sink
        self.pool = pool
        self.logger = logger
        block = DeliveryBlock(logger, .attempt(sink.id.task), in: availability)
        self.isLost = isLost
        self.persistence = persistence
        (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// What MongoDB did not take.
    var refused: Int { state.withLock { $0.refused } }
    var hasUploaded: Bool { state.withLock { $0.hasUploaded } }

    var newestCheckpoint: Int { state.withLock { $0.newestCheckpoint } }
    /// The latest that MongoDB has from this attempt, as far as this process knows.
    var storedCheckpoint: TaskCheckpoint? { state.withLock { $0.storedCheckpoint } }

    func isDelivering(checkpoint: Int) -> Bool { state.withLock { $0.underWay == checkpoint } }

    /// Writes records down: they will be delivered whatever happens to this process.
    ///
    /// - Parameters:
    ///   - isSynced: Whether it must outlive a power cut too.
    ///   - checkpoint: The number of the checkpoint that one of them names.
    /// - Throws: `HubError.noSpace`, with the other errors of a disk; nothing was written.
    func append(_ records: [OutboxRecord], isSynced: Bool = false, checkpoint: Int? = nil) async throws(HubError) {
        if state.withLock({ $0.mustRecover }) {
            throw HubError(.database, "the journal of the attempt cannot be read; nothing was written, try again later")
        }
        do {
            let end = try await pool.runIfActive { try self.outbox.append(records, isSynced: isSynced) }
            state.withLock { state in
                state.appended = max(state.appended, end)
                if let checkpoint { state.newestCheckpoint = max(state.newestCheckpoint, checkpoint) }
            }
            wake.yield()
        } catch {
            throw HubError(writing: error)
        }
    }

    /// Returns when all that was appended before is in MongoDB, or MongoDB is away.
    func settle() async {
        let done = Signal<Void>()
        let isDone = state.withLock { state in
            if state.delivered >= state.appended || state.isFailing || ended.isSet { return true }
            state.settlers.append((state.appended, done))
            return false
        }
        if isDone { return }
        wake.yield()
        await done.wait()
    }

    /// Nothing more comes. Waits until everything is delivered, as long as that takes.
    ///
    /// - Returns: Whether it is; not where the runner gave up, the attempt is no longer ours, or the disk has not let
    ///   us read all of it.
    func finish() async -> Bool {
        state.withLock { $0.isClosed = true }
        wake.yield()
        await ended.wait()
        return state.withLock { $0.delivered >= $0.appended && !$0.mustRecover && !$0.hasUntaken }
    }

    // MARK: Delivering

    /// Delivers until `finish()` has seen to the last, or nothing more is to be sent.
    func run() async {
        rounds: for await _ in wakes {
            if await !recoverAgain() { break }
            while state.withLock({ $0.delivered < $0.appended }) {
                if isLost() { break rounds }
                let isUrgent = state.withLock { $0.isClosed || !$0.settlers.isEmpty }
                if !isUrgent { try? await Task.sleep(for: Self.gathering) }
                if await !deliverBatch() { break rounds }
            }
            if state.withLock({ $0.isClosed }) { break }
        }
        let settlers = state.withLock { state in
            ended.set()
            defer { state.settlers = [] }
            return state.settlers
        }
        for settler in settlers { settler.done.set() }
    }

    /// Returns whether to go on.
    private func deliverBatch() async -> Bool {
        guard let batch = await nextBatch(), let reached = await deliver(batch) else { return false }
        do {
            try await pool.runIfActive { try self.outbox.setDelivered(reached) }
            // Not before: delivered once more after a restart, a record needs its files.
            let discards = state.withLock { state in
                defer { state.discards = [] }
                return state.discards
            }
            for record in discards { await sink.discardFiles(of: record) }
        } catch {
            // It would be delivered once more after a restart, which changes nothing.
            logger.debug("Cannot write down what is delivered", metadata: ["error": "\(error)"])
        }
        let settled = state.withLock { state in
            state.delivered = reached
            let settled = state.settlers.filter { $0.target <= reached }
            state.settlers.removeAll { $0.target <= reached }
            return settled.map(\.done)
        }
        for done in settled { done.set() }
        return true
    }

    /// Waits while it cannot be read, as for want of file descriptors; `nil` where nothing more is to be sent.
    private func nextBatch() async -> Outbox.Batch? {
        let (start, appended) = state.withLock { ($0.delivered, $0.appended) }
        do {
            return try await persistence.untilAccepted(.growing) {
                let batch = try await pool.runIfActive { try self.outbox.next(after: start, limit: Self.batchLimit) }
                return batch ?? Outbox.Batch(records: [], start: start, end: appended)
            } failed: { error, failures in
                guard error is FileError else { throw error }
                if failures == 1 {
                    logger.error(
                        "What the script wrote cannot be read; it is tried again",
                        metadata: ["error": "\(error)"]
                    )
                }
                if isLost() { throw error }
                endSettling()
            }
        } catch {
            return nil
        }
    }

    /// Returns how far it came; `nil` where nothing more is to be sent.
    private func deliver(_ batch: Outbox.Batch) async -> Outbox.Position? {
        if batch.damaged > 0 { lost("What a script wrote is damaged or gone, and lost", ["bytes": "\(batch.damaged)"]) }
        // All logs up to the next record of another kind, or that one.
        let logs = batch.records.prefix { $0.kind.log != nil }
        if logs.isEmpty {
            guard let record = batch.records.first else { return batch.end }
            guard await deliver(record) else { return nil }
            return batch.records.count == 1 ? batch.end : batch.start.advanced(over: [record])
        }
        for kind in LogKind.allCases {
            let documents = logs.filter { $0.kind.log == kind }.map(\.payload)
            guard await deliver(documents[...], to: kind) else { return nil }
        }
        return logs.count == batch.records.count ? batch.end : batch.start.advanced(over: logs)
    }

    /// A document that is refused is looked for among the others by halves.
    private func deliver(_ documents: ArraySlice<BSONDocument>, to kind: LogKind) async -> Bool {
        if documents.isEmpty { return true }
        let verdict = await attempt("the \(kind.rawValue) log") { () async throws(HubError) in
            try await self.sink.store.insertLogs(kind, Array(documents))
        }
        switch verdict {
        case .delivered: return true
        case .over: return false
        case .refused(let error):
            if documents.count == 1 {
                lost(
                    "MongoDB does not take an entry of a log; it is left out",
                    ["error": "\(error)", "log": "\(kind.rawValue)"]
                )
                return true
            }
            let middle = documents.startIndex + documents.count / 2
            let isFirstDone = await deliver(documents[..<middle], to: kind)
            return isFirstDone ? await deliver(documents[middle...], to: kind) : false
        }
    }

    private func deliver(_ record: OutboxRecord) async -> Bool {
        let number = record.checkpointNumber
        let isSuperseded = state.withLock { state in
            if let number, number < state.newestCheckpoint { return true }
            state.underWay = number
            state.hasUploaded = true
            return false
        }
        defer { state.withLock { $0.underWay = nil } }
        if !isSuperseded {
            var verdict = await send(record)
            if case .refused = verdict, await sink.restoreRights(of: record) { verdict = await send(record) }
            switch verdict {
            case .delivered: break
            case .over: return false
            case .refused(let error):
                lost(
                    "What the script saved cannot be stored; it is left out",
                    [
                        "error": "\(error)", "kind": "\(record.kind)",
                        "name": "\(record.payload["name"]?.stringValue ?? "-")",
                    ]
                )
            }
        }
        state.withLock { $0.discards.append(record) }
        return true
    }

    private func send(_ record: OutboxRecord) async -> Verdict {
        await attempt(record.kind.words) { () async throws(HubError) in
            if self.state.withLock({ $0.mustDropUploads }) {
                try await self.sink.store.dropUploads(of: self.sink.token)
                self.state.withLock { $0.mustDropUploads = false }
            }
            guard let checkpoint = try await self.sink.deliver(record) else { return }
            self.state.withLock { $0.storedCheckpoint = checkpoint }
        }
    }

    /// Tries until MongoDB takes it, or refuses just that.
    private func attempt(_ what: String, _ call: () async throws(HubError) -> Void) async -> Verdict {
        do throws(HubError) {
            let taken: Void? = try await persistence.untilAccepted(.growing, isOver: isLost) {
                () async throws(HubError) in
                try await call()
                block.succeeded()
                state.withLock { $0.isFailing = false }
            } failed: { (error, _) throws(HubError) in
                if error.isRefusal { throw error }
                block.failed(error, what: what)
                endSettling()
            }
            return taken == nil ? .over : .delivered
        } catch {
            return .refused(error)
        }
    }

    /// Nobody waits for what may take long.
    private func endSettling() {
        let settlers = state.withLock { state in
            state.isFailing = true
            defer { state.settlers = [] }
            return state.settlers.map(\.done)
        }
        for done in settlers { done.set() }
    }

    func lost(_ message: Logger.Message, _ metadata: Logger.Metadata, _ count: Int = 1) {
        state.withLock { $0.refused += count }
        logger.error(message, metadata: metadata)
    }
}

extension OutboxRecord.Kind {
    init(_ log: LogKind) {
        switch log {
        case .training: self = .trainingLog
        case .validation: self = .validationLog
        case .testing: self = .testingLog
        }
    }

    fileprivate var words: String {
        switch self {
        case .trainingLog, .validationLog, .testingLog: "a log"
        case .dataSet: "a data set"
        case .model: "a model"
        case .checkpoint: "a checkpoint"
        }
    }

    var log: LogKind? {
        switch self {
        case .trainingLog: .training
        case .validationLog: .validation
        case .testingLog: .testing
        case .dataSet, .model, .checkpoint: nil
        }
    }
}

extension Outbox.Position {
    /// The place behind records that begin here.
    func advanced(over records: some Sequence<OutboxRecord>) -> Self {
        var copy = self
        for record in records { copy.offset += Int64(OutboxRecord.headerSize + record.payload.bytes.count) }
        return copy
    }
}
