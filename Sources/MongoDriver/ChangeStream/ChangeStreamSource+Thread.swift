import BSON
import CLibMongoC

extension ChangeStreamSource {
    /// The body of the stream's thread: it alone uses the client and the stream's C handle.
    ///
    /// - Returns: Why the stream ended; `nil` for an end that was asked for, or behind `invalidate`.
    func runThread() -> MongoError? {
        do throws(MongoError) {
            try core.withClient { (client) throws(MongoError) in try run(client) }
            return nil
        } catch {
            return error.naming(.watch(namespace), by: core)
        }
    }

    private func run(_ client: LentClient) throws(MongoError) {
        let stages: BSONDocument = ["pipeline": .array(pipeline.map(BSONValue.document))]
        let streamOptions = options.document(socketTimeout: core.socketTimeout)
        let stream = try client.withCollection(namespace) { (collection) throws(MongoError) in
            try lend(stages, streamOptions) { mongoc_collection_watch(collection, $0, $1) }
        }
        guard let stream else { throw MongoError(.invalidInput, "libmongoc made no change stream") }
        defer { mongoc_change_stream_destroy(stream) }
        if let failure = failure(of: stream) { throw failure }
        didOpen()
        try readEvents(stream)
    }

    private func readEvents(_ stream: OpaquePointer) throws(MongoError) {
        let clock = ContinuousClock()
        var hollowAnswers = 0
        var document: OpaquePointer?
        while !mustStop {
            let start = clock.now
            if mongoc_change_stream_next(stream, &document), let document {
                hollowAnswers = 0
                let event = try BSONDocument(copying: document)
                let token = try token(of: stream) ?? event["_id"]?.documentValue ?? BSONDocument()
                guard deliver(ChangeEvent(document: event, resumeToken: token)) else { return }
                if event["operationType"] == "invalidate" { return }
                continue
            }
            if let failure = failure(of: stream) { throw failure }
            if let token = try token(of: stream) { advance(to: token) }
            // A live server waits before it says that there is nothing. One that does not has closed its cursor, as
            // after an `invalidate` that the pipeline hides; without this check the thread would spin.
            hollowAnswers = clock.now - start < .milliseconds(1) ? hollowAnswers + 1 : 0
            if hollowAnswers >= 10 {
                throw MongoError(.server, "the change stream of \(namespace.collection) was closed by the server")
            }
        }
    }

    private func token(of stream: OpaquePointer) throws(MongoError) -> BSONDocument? {
        guard let token = mongoc_change_stream_get_resume_token(stream) else { return nil }
        return try BSONDocument(copying: token)
    }

    private func failure(of stream: OpaquePointer) -> MongoError? {
        var error = bson_error_t()
        var document: OpaquePointer?
        guard mongoc_change_stream_error_document(stream, &error, &document) else { return nil }
        let reply = document.flatMap { try? BSONDocument(copying: $0) } ?? BSONDocument()
        return MongoError(error, reply: reply, hosts: core.hosts)
    }
}
