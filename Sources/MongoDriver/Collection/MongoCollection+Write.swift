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
            guard document.first(where: { _ in true })?.key.bytes.hasPrefix("$") == true else {
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

    /// Changes all documents that match, through trouble also where the outcome of the first try is unknown.
    ///
    /// - Parameter again: What matches then: not what has been changed already and may since have become what it was.
    /// - Returns: How many matched in the last try, and whether an earlier one may have changed others.
    package func updateMany(
        _ filter: BSONDocument,
        again: BSONDocument,
        _ update: MongoUpdate
    ) async throws(MongoError) -> (matched: Int, isUnsure: Bool) {
        var once = self
        once.patience = nil
        var perseverance = Perseverance(core, patience)
        while true {
            perseverance.begin()
            do throws(MongoError) {
                let result = try await once.updateMany(perseverance.isUnsure ? again : filter, update)
                return (result.matched, perseverance.isUnsure)
            } catch {
                try await perseverance.goOn(after: error, .always)
            }
        }
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

    /// Deletes the first document that matches.
    ///
    /// - Returns: 1 or 0.
    @discardableResult
    public func deleteOne(_ filter: BSONDocument) async throws(MongoError) -> Int {
        let reply = try await bulk(.delete(namespace), ordered: true, repetition) { (bulk) throws(MongoError) in
            try bulk.add(.deleteOne(filter), options: BSONDocument())
        }
        return reply["nRemoved"]?.intValue ?? 0
    }
}

extension MongoCollection {
    private func single(
        _ statement: BulkWrite.Statement,
        upsert: Bool,
        hint: IndexHint?
    ) async throws(MongoError) -> UpdateResult {
        let reply = try await bulk(.update(namespace), ordered: true, repetition) { (bulk) throws(MongoError) in
            try bulk.add(statement, options: Self.statementOptions(upsert: upsert, hint: hint))
        }
        return UpdateResult(
            matched: reply["nMatched"]?.intValue ?? 0,
            modified: reply["nModified"]?.intValue ?? 0,
            upsertedID: reply["upserted"]?.arrayValue?.first?.documentValue?["_id"]
        )
    }

    func bulk(
        _ action: Action,
        ordered: Bool,
        _ repetition: Repetition,
        _ fill: @escaping @Sendable (borrowing BulkWrite) throws(MongoError) -> Void
    ) async throws(MongoError) -> BSONDocument {
        try await bulkCounting(action, ordered: ordered, patience, repetition, fill).value
    }

    /// - Returns: Also whether it was sent again although the first one may have been done.
    func bulkCounting(
        _ action: Action,
        ordered: Bool,
        _ patience: Patience?,
        _ repetition: Repetition,
        _ fill: @escaping @Sendable (borrowing BulkWrite) throws(MongoError) -> Void
    ) async throws(MongoError) -> (value: BSONDocument, isUnsure: Bool) {
        try namespace.check()
        var options = writeOptions
        options.append("ordered", .bool(ordered))
        return try await core.performCounting(action, patience, repetition) {
            [namespace, options] (client) throws(MongoError) in
            try client.withCollection(namespace) { (collection) throws(MongoError) in
                let bulk = try BulkWrite(client, collection, options: options)
                try fill(bulk)
                return try bulk.execute()
            }
        }
    }

    /// libmongoc would refuse empty keys and would check every byte once more; the server does.
    static let unvalidated: BSONDocument = ["validate": false]

    static func statementOptions(upsert: Bool, hint: IndexHint?) -> BSONDocument {
        var options = unvalidated
        if upsert { options.append("upsert", true) }
        if let hint { options.append("hint", hint.value) }
        return options
    }
}
