public import BSON

/// The documents that a query yields, fetched batch by batch while they are iterated. Every iteration sends the query anew.
///
/// An iterator holds a connection and one of the client's `maxOpenCursors` until it has come to the end, has thrown, was
/// let go, or its task was cancelled. A document that is not well-formed BSON is thrown as
/// ``MongoError/Code/invalidDocument``; after that alone, `next()` goes on with the following document.
public struct MongoCursor: AsyncSequence, Sendable {
    public typealias Element = BSONDocument
    public typealias Failure = MongoError

    let core: ClientCore
    let namespace: Namespace
    let query: MongoCollection.Query
    let batchSize: Int?

    public func makeAsyncIterator() -> Iterator {
        Iterator(cursor: self)
    }

    public struct Iterator: AsyncIteratorProtocol {
        private let cursor: MongoCursor
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
                if let document = documents.popFirst() { return try document.get() }
                if let failure {
                    self.failure = nil
                    throw failure
                }
                if isAtEnd { return nil }
                do throws(MongoError) {
                    let chunk = try await fetch()
                    documents = chunk.documents[...]
                    failure = chunk.failure
                    isAtEnd = chunk.isLast
                    if isAtEnd { handle = nil }
                } catch {
                    isAtEnd = true
                    handle = nil
                    throw error
                }
            }
        }

        private mutating func fetch() async throws(MongoError) -> CursorChunk {
            if handle == nil { handle = try await CursorHandle.open(cursor) }
            guard let handle else { return CursorChunk(isLast: true) }
            return try await handle.fetch(upTo: Swift.min(Swift.max(cursor.batchSize ?? 256, 1), 1024))
        }
    }
}
