public import BSON

/// One change, as the pipeline of the stream lets it through.
public struct ChangeEvent: Sendable, Hashable {
    public var document: BSONDocument
    /// Where a later stream goes on behind this event.
    public var resumeToken: BSONDocument

    public init(document: BSONDocument, resumeToken: BSONDocument) {
        self.document = document
        self.resumeToken = resumeToken
    }
}

/// How a change stream begins and waits.
public struct ChangeStreamOptions: Sendable, Hashable {
    /// The token of an earlier stream; `nil` to begin now. One that is too old, or that belongs to a dropped
    /// collection, fails with a server code (286, 260): then begin anew and look what was missed.
    public var resumeAfter: BSONDocument?
    /// How long the server waits for an event before it answers that there is none. It is the cost of an idle stream,
    /// one round trip each time, and how long the end of a stream may take. At most half the socket time-out.
    public var maxAwaitTime: Duration
    /// Whether update events carry the document as it is by then, under `fullDocument`.
    public var fullDocument: Bool
    public var batchSize: Int?

    /// How long the server waits for an event unless told otherwise.
    public static let defaultMaxAwaitTime = Duration.seconds(1)

    public init(
        resumeAfter: BSONDocument? = nil,
        maxAwaitTime: Duration = ChangeStreamOptions.defaultMaxAwaitTime,
        fullDocument: Bool = false,
        batchSize: Int? = nil
    ) {
        self.resumeAfter = resumeAfter
        self.maxAwaitTime = maxAwaitTime
        self.fullDocument = fullDocument
        self.batchSize = batchSize
    }

    func document(socketTimeout: Duration) -> BSONDocument {
        var wait = maxAwaitTime
        if socketTimeout > .zero { wait = Swift.min(wait, socketTimeout / 2) }
        var document: BSONDocument = ["maxAwaitTimeMS": .int64(Swift.max(1, wait.milliseconds))]
        if let resumeAfter { document.append("resumeAfter", .document(resumeAfter)) }
        if fullDocument { document.append("fullDocument", "updateLookup") }
        if let batchSize { document.append("batchSize", .int32(Int32(clamping: batchSize))) }
        return document
    }
}

/// The changes of a collection, from the moment the stream is open.
///
/// Each open stream has a thread and a connection. libmongoc resumes it once when the connection breaks or the primary
/// changes; what it cannot mend is thrown, and ends the stream: watch again with ``resumeToken``. It also ends, with
/// `nil`, behind the event `invalidate` (the collection was dropped or renamed), when the consuming task is cancelled,
/// and when nobody holds the stream or an iterator of it. Events that nobody takes are held back on the server, not in
/// memory.
///
/// A standalone server has no change streams: ``MongoError/Code/notReplicaSet``.
public struct ChangeStream: AsyncSequence, Sendable {
    public typealias Element = ChangeEvent
    public typealias Failure = MongoError

    let owner: ChangeStreamOwner

    init(source: ChangeStreamSource) {
        owner = ChangeStreamOwner(source: source)
    }

    /// Sends the request and waits until the server has it: every later change will be seen. The iteration does it too,
    /// when it begins.
    public func open() async throws(MongoError) {
        try await owner.source.open()
    }

    /// Behind the last event that was handed out, or, while there are none, where the server has got to; `nil` before
    /// the server's first answer.
    public var resumeToken: BSONDocument? { owner.source.resumeToken }

    /// Ends the stream without waiting; its thread ends within `maxAwaitTime`.
    public func close() { owner.source.endSoon() }

    /// Goes on where an earlier iterator of the same stream stopped.
    public func makeAsyncIterator() -> Iterator {
        Iterator(owner: owner)
    }

    public struct Iterator: AsyncIteratorProtocol {
        let owner: ChangeStreamOwner

        public mutating func next() async throws(MongoError) -> ChangeEvent? {
            try await owner.source.next()
        }

        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(MongoError) -> ChangeEvent? {
            try await owner.source.next()
        }
    }
}

/// Ends the stream when the last holder lets go: the stream's thread holds the source, not this.
final class ChangeStreamOwner: Sendable {
    let source: ChangeStreamSource

    init(source: ChangeStreamSource) {
        self.source = source
    }

    deinit { source.endSoon() }
}

extension MongoCollection {
    /// The changes of this collection that the pipeline lets through. It is sent when the stream is opened or iterated.
    ///
    /// - Parameter pipeline: Stages over change events. They must keep `_id`, which is the resume token.
    public func watch(_ pipeline: [BSONDocument] = [], _ options: ChangeStreamOptions = .init()) -> ChangeStream {
        ChangeStream(
            source: ChangeStreamSource(core: core, namespace: namespace, pipeline: pipeline, options: options)
        )
    }
}
