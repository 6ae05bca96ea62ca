public import BSON
import CLibMongoC

/// What an update does to a document.
public enum MongoUpdate: Sendable, Hashable {
    /// Update operators, as `["$set": ["status": "finished"]]`.
    case document(BSONDocument)
    /// Aggregation stages that compute the new document on the server.
    case pipeline([BSONDocument])

    var value: BSONValue {
        switch self {
        case .document(let document): .document(document)
        case .pipeline(let stages): .array(stages.map(BSONValue.document))
        }
    }

    /// As libmongoc takes it: a pipeline is a document with the keys 0, 1, ...
    func statement() throws(MongoError) -> BSONDocument {
        switch self {
        case .document(let document):
            guard document.first(where: { _ in true })?.key.hasPrefix("$") == true else {
                throw MongoError(.invalidInput, "an update document begins with an operator, as $set")
            }
            return document
        case .pipeline(let stages):
            guard !stages.isEmpty else { throw MongoError(.invalidInput, "an update pipeline has at least one stage") }
            return BSONDocument(elements: stages.enumerated().map { (String($0.offset), .document($0.element)) })
        }
    }
}

/// What an update found and did.
public struct UpdateResult: Sendable, Hashable {
    public var matched: Int
    /// How many of them changed: an update that sets what is there already matches without modifying.
    public var modified: Int
    /// The `_id` of the document that an upsert made.
    public var upsertedID: BSONValue?

    public init(matched: Int, modified: Int, upsertedID: BSONValue? = nil) {
        self.matched = matched
        self.modified = modified
        self.upsertedID = upsertedID
    }
}

/// One of the statements of ``MongoCollection/bulkUpdate(_:ordered:)``.
public struct UpdateStatement: Sendable, Hashable {
    public var filter: BSONDocument
    public var update: MongoUpdate
    /// Whether it changes all documents that match; then libmongoc does not repeat it when the connection breaks.
    public var multi: Bool
    public var upsert: Bool

    public init(filter: BSONDocument, update: MongoUpdate, multi: Bool = false, upsert: Bool = false) {
        self.filter = filter
        self.update = update
        self.multi = multi
        self.upsert = upsert
    }
}

/// What many statements found and did together.
public struct BulkUpdateResult: Sendable, Hashable {
    public var matched: Int
    public var modified: Int
    /// The statements that the server refused; the others were done, or stopped at the first of these when ordered.
    public var writeErrors: [MongoError.WriteError]

    public init(matched: Int, modified: Int, writeErrors: [MongoError.WriteError] = []) {
        self.matched = matched
        self.modified = modified
        self.writeErrors = writeErrors
    }
}

extension MongoCollection {
    /// Inserts a document, with a new `_id` in front where it has none.
    ///
    /// - Returns: Its `_id`.
    @discardableResult
    public func insertOne(_ document: BSONDocument) async throws(MongoError) -> BSONValue {
        var document = document
        let id: BSONValue
        if let present = document["_id"] {
            id = present
        } else {
            id = .objectID(ObjectID())
            document = BSONDocument(elements: [("_id", id)] + document.map { ($0.key, $0.value) })
        }
        try await insertMany([document])
        return id
    }

    /// Inserts documents in as few messages as the server's limits allow; those without `_id` are given one.
    ///
    /// - Parameter ordered: Whether the first document that is refused stops the rest.
    /// - Returns: How many were inserted.
    /// - Throws: When documents are refused the error's `writeErrors` name which. Its code is
    ///   ``MongoError/Code/duplicateKey`` only where all of them are there already, as far as the write concern asks.
    @discardableResult
    public func insertMany(_ documents: [BSONDocument], ordered: Bool = true) async throws(MongoError) -> Int {
        guard !documents.isEmpty else { return 0 }
        do throws(MongoError) {
            let reply = try await bulk(ordered: ordered) { (bulk) throws(MongoError) in
                for document in documents { try bulk.add(.insert(document), options: Self.unvalidated) }
            }
            return reply["nInserted"]?.intValue ?? 0
        } catch {
            var error = error
            let known = error.writeErrors.count + (error.reply["nInserted"]?.intValue ?? 0)
            if !ordered, !error.writeErrors.isEmpty, !error.isOutcomeUnknown, known < documents.count {
                error.becomeCutShort()
            }
            throw error
        }
    }

    /// Changes the first document that matches. libmongoc repeats it once when the connection breaks.
    @discardableResult
    public func updateOne(
        _ filter: BSONDocument,
        _ update: MongoUpdate,
        upsert: Bool = false,
        hint: IndexHint? = nil
    ) async throws(MongoError) -> UpdateResult {
        let update = try update.statement()
        return try await single(.updateOne(filter, update), upsert: upsert, hint: hint)
    }

    /// Changes all documents that match. It is never repeated: after ``MongoError/Code/network`` read back.
    @discardableResult
    public func updateMany(
        _ filter: BSONDocument,
        _ update: MongoUpdate,
        upsert: Bool = false,
        hint: IndexHint? = nil
    ) async throws(MongoError) -> UpdateResult {
        if let limit = core.queryLimit, hint == nil {
            return try await updateMany(filter, update, upsert: upsert, maxTime: limit)
        }
        let update = try update.statement()
        return try await single(.updateMany(filter, update), upsert: upsert, hint: hint)
    }

    /// As a command of its own: libmongoc's bulk operations know no `maxTimeMS`.
    private func updateMany(
        _ filter: BSONDocument,
        _ update: MongoUpdate,
        upsert: Bool,
        maxTime: Duration
    ) async throws(MongoError) -> UpdateResult {
        _ = try update.statement()
        let statement: BSONDocument = [
            "q": .document(filter), "u": update.value, "multi": true, "upsert": .bool(upsert),
        ]
        let reply = try await write([
            "update": .string(name), "updates": [.document(statement)], "maxTimeMS": .int32(maxTime.milliseconds32),
        ])
        let upserted = reply["upserted"]?.arrayValue?.first?.documentValue?["_id"]
        return UpdateResult(
            matched: (reply["n"]?.intValue ?? 0) - (upserted == nil ? 0 : 1),
            modified: reply["nModified"]?.intValue ?? 0,
            upsertedID: upserted
        )
    }

    /// Puts a whole document, which keeps its `_id`, in the place of the first that matches.
    @discardableResult
    public func replaceOne(
        _ filter: BSONDocument,
        _ replacement: BSONDocument,
        upsert: Bool = false
    ) async throws(MongoError) -> UpdateResult {
        try await single(.replaceOne(filter, replacement), upsert: upsert, hint: nil)
    }

    /// Sends many updates in as few messages as the server's limits allow. Refused statements do not throw: they are in
    /// the result. Everything else does, whether statements were refused or not.
    public func bulkUpdate(
        _ statements: [UpdateStatement],
        ordered: Bool = false
    ) async throws(MongoError) -> BulkUpdateResult {
        guard !statements.isEmpty else { return BulkUpdateResult(matched: 0, modified: 0, writeErrors: []) }
        var reply: BSONDocument
        var writeErrors: [MongoError.WriteError] = []
        do throws(MongoError) {
            reply = try await bulk(ordered: ordered) { (bulk) throws(MongoError) in
                for statement in statements {
                    let update = try statement.update.statement()
                    try bulk.add(
                        statement.multi ? .updateMany(statement.filter, update) : .updateOne(statement.filter, update),
                        options: Self.statementOptions(upsert: statement.upsert, hint: nil)
                    )
                }
            }
        } catch {
            guard !error.writeErrors.isEmpty, error.code != .network, error.code != .writeConcern else { throw error }
            reply = error.reply
            writeErrors = error.writeErrors
        }
        return BulkUpdateResult(
            matched: reply["nMatched"]?.intValue ?? 0,
            modified: reply["nModified"]?.intValue ?? 0,
            writeErrors: writeErrors
        )
    }

    /// Deletes the first document that matches.
    ///
    /// - Returns: 1 or 0.
    @discardableResult
    public func deleteOne(_ filter: BSONDocument) async throws(MongoError) -> Int {
        let reply = try await bulk(ordered: true) { (bulk) throws(MongoError) in
            try bulk.add(.deleteOne(filter), options: BSONDocument())
        }
        return reply["nRemoved"]?.intValue ?? 0
    }

    /// Deletes all documents that match. It is never repeated by libmongoc, but harmless to repeat.
    ///
    /// - Returns: How many.
    @discardableResult
    public func deleteMany(_ filter: BSONDocument) async throws(MongoError) -> Int {
        let reply = try await bulk(ordered: true) { (bulk) throws(MongoError) in
            try bulk.add(.deleteMany(filter), options: BSONDocument())
        }
        return reply["nRemoved"]?.intValue ?? 0
    }

    /// Deletes all documents that match, however many: so many in one statement that none of them runs into a time-out.
    /// Harmless to repeat. Where it throws, a part may be deleted.
    ///
    /// - Returns: How many.
    @discardableResult
    public func deleteInPieces(_ filter: BSONDocument, of piece: Int = 2000) async throws(MongoError) -> Int {
        var source = self
        source.readsFromPrimary = true
        let options = FindOptions(projection: ["_id": 1], batchSize: piece)
        var found = source.find(filter, options).makeAsyncIterator()
        var total = 0
        while true {
            var ids: [BSONValue] = []
            while ids.count < piece, let next = try await found.next() {
                if let id = next["_id"] { ids.append(id) }
            }
            if ids.isEmpty { return total }
            total += try await deleteMany(["$and": [.document(filter), ["_id": ["$in": .array(ids)]]]])
        }
    }
}

extension MongoCollection {
    private func single(
        _ statement: BulkWrite.Statement,
        upsert: Bool,
        hint: IndexHint?
    ) async throws(MongoError) -> UpdateResult {
        let reply = try await bulk(ordered: true) { (bulk) throws(MongoError) in
            try bulk.add(statement, options: Self.statementOptions(upsert: upsert, hint: hint))
        }
        return UpdateResult(
            matched: reply["nMatched"]?.intValue ?? 0,
            modified: reply["nModified"]?.intValue ?? 0,
            upsertedID: reply["upserted"]?.arrayValue?.first?.documentValue?["_id"]
        )
    }

    private func bulk(
        ordered: Bool,
        _ fill: @escaping @Sendable (borrowing BulkWrite) throws(MongoError) -> Void
    ) async throws(MongoError) -> BSONDocument {
        try namespace.check()
        var options = writeOptions
        options.append("ordered", .bool(ordered))
        return try await core.perform { [namespace, options] (client) throws(MongoError) in
            try client.withCollection(namespace) { (collection) throws(MongoError) in
                let bulk = try BulkWrite(client, collection, options: options)
                try fill(bulk)
                return try bulk.execute()
            }
        }
    }

    /// libmongoc would refuse empty keys and would check every byte once more; the server does.
    static let unvalidated: BSONDocument = ["validate": false]

    private static func statementOptions(upsert: Bool, hint: IndexHint?) -> BSONDocument {
        var options = unvalidated
        if upsert { options.append("upsert", true) }
        if let hint { options.append("hint", hint.value) }
        return options
    }
}
