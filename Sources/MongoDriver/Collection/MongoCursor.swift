public import BSON

/// The documents that a query yields, fetched batch by batch while they are iterated. Every iteration sends the query
/// anew.
///
/// An iterator holds a connection and one of the client's `maxOpenCursors` until it has come to the end, has thrown,
/// was let go, or its task was cancelled. A document that is not well-formed BSON is thrown as
/// ``MongoError/Code/invalidDocument``; after that alone, `next()` goes on with the following document.
///
/// With patience a query that is cut off goes on: from its beginning while nothing was handed out, else behind the last
/// document, where its sort has `_id` in it. In any other order it is cut off.
public struct MongoCursor: AsyncSequence, Sendable {
    public typealias Element = BSONDocument
    public typealias Failure = MongoError

    let core: ClientCore
    let namespace: Namespace
    let query: MongoCollection.Query
    let batchSize: Int?
    let patience: Patience?
    let limit: Int?
    /// The query behind a document of this one, after so many; `nil` where its order does not tell.
    var rest: (@Sendable (_ last: BSONDocument, _ count: Int) -> MongoCursor?)?

    init(
        core: ClientCore,
        namespace: Namespace,
        query: @escaping MongoCollection.Query,
        batchSize: Int?,
        patience: Patience?,
        limit: Int? = nil
    ) {
        self.core = core
        self.namespace = namespace
        self.query = query
        self.batchSize = batchSize
        self.patience = patience
        self.limit = limit
    }

    public func makeAsyncIterator() -> Iterator {
        Iterator(cursor: self)
    }

    public struct Iterator: AsyncIteratorProtocol {
        private var cursor: MongoCursor
        /// Where patience goes on: what was handed out of `cursor`.
        private var last: BSONDocument?
        private var count = 0
        private var perseverance: Perseverance?
        private var handle: CursorHandle?
        private var documents: ArraySlice<Result<BSONDocument, MongoError>> = []
        private var failure: MongoError?
        private var isAtEnd = false

        init(cursor: MongoCursor) {
            self.cursor = cursor
        }

        /// Whether the next document is here already.
        package var hasNext: Bool { !documents.isEmpty }

        public mutating func next() async throws(MongoError) -> BSONDocument? {
            try await next(isolation: #isolation)
        }

        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(MongoError) -> BSONDocument? {
            while true {
                if Task.isCancelled {
                    handle = nil
                    documents = []
                    failure = nil
                    isAtEnd = true
                    throw MongoError(.cancelled, "the task that iterated \(cursor.namespace.collection) was cancelled")
                }
                if let document = documents.popFirst() { return try handOut(document) }
                if let failure {
                    self.failure = nil
                    try await goOn(after: failure.naming(.read(cursor.namespace), by: cursor.core))
                    continue
                }
                if isAtEnd { return nil }
                do throws(MongoError) {
                    let chunk = try await fetch()
                    documents = chunk.documents[...]
                    failure = chunk.failure
                    isAtEnd = chunk.isLast
                    if isAtEnd { handle = nil }
                    if !documents.isEmpty { perseverance = nil }
                } catch {
                    isAtEnd = true
                    handle = nil
                    try await goOn(after: error.naming(.read(cursor.namespace), by: cursor.core))
                }
            }
        }

        private mutating func handOut(
            _ document: Result<BSONDocument, MongoError>
        ) throws(MongoError) -> BSONDocument {
            let document = try document.get()
            if cursor.patience != nil {
                last = document
                count += 1
            }
            return document
        }

        /// Waits, and has the rest asked for; throws where there is no going on.
        private mutating func goOn(after error: MongoError) async throws(MongoError) {
            isAtEnd = true
            var rest: MongoCursor? = cursor
            if let last {
                if let limit = cursor.limit, limit > 0, count >= limit { return }
                rest = cursor.rest?(last, count)
            }
            // Nobody may take a part for the whole.
            guard cursor.patience != nil, error.isPassing else { throw error }
            guard let rest else {
                var error = error
                error.message += "; the documents up to here are not all, and their order does not tell where to go on"
                throw error
            }
            var perseverance = perseverance ?? Perseverance(cursor.core, cursor.patience)
            try await perseverance.goOn(after: error, .always)
            perseverance.begin()
            self.perseverance = perseverance
            cursor = rest
            last = nil
            count = 0
            isAtEnd = false
        }

        private mutating func fetch() async throws(MongoError) -> CursorChunk {
            if handle == nil { handle = try await CursorHandle.open(cursor) }
            guard let handle else { return CursorChunk(isLast: true) }
            return try await handle.fetch(upTo: Swift.min(Swift.max(cursor.batchSize ?? 256, 1), 1024))
        }
    }
}
