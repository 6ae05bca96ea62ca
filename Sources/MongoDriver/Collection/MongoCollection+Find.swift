public import BSON
import CLibMongoC

/// How a query is answered.
public struct FindOptions: Sendable, Hashable {
    public var sort: BSONDocument?
    public var projection: BSONDocument?
    /// At most so many documents; `nil` or 0 for all.
    public var limit: Int?
    public var skip: Int?
    /// How many documents the server sends at once; `nil` for its default of 101, then 16 MiB.
    public var batchSize: Int?
    public var hint: IndexHint?
    /// How long the server may work on the query; then it fails with server code 50.
    public var maxTime: Duration?

    public init(
        sort: BSONDocument? = nil,
        projection: BSONDocument? = nil,
        limit: Int? = nil,
        skip: Int? = nil,
        batchSize: Int? = nil,
        hint: IndexHint? = nil,
        maxTime: Duration? = nil
    ) {
        self.sort = sort
        self.projection = projection
        self.limit = limit
        self.skip = skip
        self.batchSize = batchSize
        self.hint = hint
        self.maxTime = maxTime
    }

    var document: BSONDocument {
        var document = BSONDocument()
        if let sort { document.append("sort", .document(sort)) }
        if let projection { document.append("projection", .document(projection)) }
        if let limit { document.append("limit", .int64(Int64(limit))) }
        if let skip { document.append("skip", .int64(Int64(skip))) }
        if let batchSize { document.append("batchSize", .int32(Int32(clamping: batchSize))) }
        if let hint { document.append("hint", hint.value) }
        if let maxTime { document.append("maxTimeMS", .int32(maxTime.milliseconds32)) }
        return document
    }
}

/// How an aggregation is answered.
public struct AggregateOptions: Sendable, Hashable {
    public var batchSize: Int?
    public var hint: IndexHint?
    /// How long the server may work on the pipeline; then it fails with server code 50.
    public var maxTime: Duration?
    /// Whether stages may use the server's disk when they need more than 100 MiB.
    public var allowDiskUse: Bool

    public init(
        batchSize: Int? = nil,
        hint: IndexHint? = nil,
        maxTime: Duration? = nil,
        allowDiskUse: Bool = false
    ) {
        self.batchSize = batchSize
        self.hint = hint
        self.maxTime = maxTime
        self.allowDiskUse = allowDiskUse
    }

    var document: BSONDocument {
        var document = BSONDocument()
        if let batchSize { document.append("batchSize", .int32(Int32(clamping: batchSize))) }
        if let hint { document.append("hint", hint.value) }
        if let maxTime { document.append("maxTimeMS", .int32(maxTime.milliseconds32)) }
        if allowDiskUse { document.append("allowDiskUse", true) }
        return document
    }
}

extension MongoCollection {
    /// The documents that match, as they arrive. The query is sent when the iteration begins.
    public func find(_ filter: BSONDocument = [:], _ options: FindOptions = .init()) -> MongoCursor {
        var cursor = MongoCursor(
            core: core,
            namespace: namespace,
            query: findQuery(filter, options),
            batchSize: options.batchSize,
            patience: patience,
            limit: options.limit
        )
        if patience != nil { cursor.rest = { rest(of: filter, options, behind: $0, after: $1) } }
        return cursor
    }

    /// All documents that match, in one go: for results that fit into memory.
    public func findAll(
        _ filter: BSONDocument = [:],
        _ options: FindOptions = .init()
    ) async throws(MongoError) -> [BSONDocument] {
        try await all(findQuery(filter, options))
    }

    /// The first document that matches.
    public func findOne(
        _ filter: BSONDocument = [:],
        _ options: FindOptions = .init()
    ) async throws(MongoError) -> BSONDocument? {
        var options = options
        options.limit = 1
        return try await all(findQuery(filter, options, isSingleBatch: true)).first
    }

    /// What the pipeline yields, as it arrives. It is sent when the iteration begins.
    public func aggregate(_ pipeline: [BSONDocument], _ options: AggregateOptions = .init()) -> MongoCursor {
        MongoCursor(
            core: core,
            namespace: namespace,
            query: aggregateQuery(pipeline, options),
            batchSize: options.batchSize,
            patience: patience
        )
    }

    /// All that the pipeline yields, in one go: for results that fit into memory.
    public func aggregateAll(
        _ pipeline: [BSONDocument],
        _ options: AggregateOptions = .init()
    ) async throws(MongoError) -> [BSONDocument] {
        try await all(aggregateQuery(pipeline, options))
    }

    /// Counts the documents that match, at most `limit`.
    public func countDocuments(
        _ filter: BSONDocument = [:],
        limit: Int? = nil,
        hint: IndexHint? = nil
    ) async throws(MongoError) -> Int {
        var pipeline: [BSONDocument] = [["$match": .document(filter)]]
        if let limit { pipeline.append(["$limit": .int64(Int64(limit))]) }
        pipeline.append(["$group": ["_id": 1, "n": ["$sum": 1]]])
        let result = try await aggregateAll(pipeline, AggregateOptions(hint: hint))
        return result.first?["n"]?.intValue ?? 0
    }

    /// The different values of a field, in no order; the elements of an array count one by one.
    public func distinct(_ field: String, _ filter: BSONDocument = [:]) async throws(MongoError) -> [BSONValue] {
        var command: BSONDocument = ["distinct": .string(name), "key": .string(field), "query": .document(filter)]
        if let limit = core.queryLimit { command.append("maxTimeMS", .int32(limit.milliseconds32)) }
        let reply = try await read(command)
        return reply["values"]?.arrayValue ?? []
    }
}

extension MongoCollection {
    typealias Query = @Sendable (LentClient, _ collection: OpaquePointer) throws(MongoError) -> OpaquePointer?

    /// - Parameter isSingleBatch: Whether the server keeps no cursor after its first answer.
    private func findQuery(_ filter: BSONDocument, _ options: FindOptions, isSingleBatch: Bool = false) -> Query {
        var options = options
        options.maxTime = options.maxTime ?? core.queryLimit
        var document = options.document
        if isSingleBatch { document.append("singleBatch", true) }
        document = adding(readConcern, to: document)
        return { [readsFromPrimary, document] (_, collection) throws(MongoError) in
            let preference = ReadPreference(isPrimary: readsFromPrimary)
            return try lend(filter, document) {
                mongoc_collection_find_with_opts(collection, $0, $1, preference.pointer)
            }
        }
    }

    private func aggregateQuery(_ pipeline: [BSONDocument], _ options: AggregateOptions) -> Query {
        var options = options
        options.maxTime = options.maxTime ?? core.queryLimit
        let document = adding(readConcern, to: options.document)
        let pipeline: BSONDocument = ["pipeline": .array(pipeline.map(BSONValue.document))]
        return { [readsFromPrimary] (_, collection) throws(MongoError) in
            let preference = ReadPreference(isPrimary: readsFromPrimary)
            return try lend(pipeline, document) {
                mongoc_collection_aggregate(collection, MONGOC_QUERY_NONE, $0, $1, preference.pointer)
            }
        }
    }

    private func adding(_ readConcern: ReadConcern?, to options: BSONDocument) -> BSONDocument {
        guard let readConcern else { return options }
        var options = options
        options.append("readConcern", .document(readConcern.document))
        return options
    }

    /// Reads a cursor to its end within one job.
    ///
    /// - Parameter action: Reading the collection, unless given.
    func all(_ query: @escaping Query, as action: Action? = nil) async throws(MongoError) -> [BSONDocument] {
        try namespace.check()
        return try await core.perform(action ?? .read(namespace), patience, .always) {
            [namespace] (client) throws(MongoError) in
            try client.withCollection(namespace) { (collection) throws(MongoError) in
                guard let cursor = try query(client, collection) else { return [] }
                defer { mongoc_cursor_destroy(cursor) }
                var documents: [BSONDocument] = []
                while true {
                    let chunk = try client.read(cursor, upTo: 1000)
                    for document in chunk.documents { documents.append(try document.get()) }
                    if let failure = chunk.failure { throw failure }
                    if chunk.isLast { return documents }
                }
            }
        }
    }
}

/// A read preference for one call, which copies it; none stands for the URI's.
private struct ReadPreference: ~Copyable {
    let pointer: OpaquePointer?

    init(isPrimary: Bool) {
        pointer = isPrimary ? mongoc_read_prefs_new(MONGOC_READ_PRIMARY) : nil
    }

    deinit { if let pointer { mongoc_read_prefs_destroy(pointer) } }
}
