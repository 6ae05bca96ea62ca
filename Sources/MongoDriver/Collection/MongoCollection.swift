import BSON
import CLibMongoC

/// A collection of a database. Its concerns are set on a copy: `var tasks = tasks; tasks.writeConcern = .majority`.
public struct MongoCollection: Sendable {
    let namespace: Namespace
    let core: ClientCore
    /// When writes through this value count as done; `nil` for what the URI says, else the server's default.
    public var writeConcern: WriteConcern?
    /// What reads through this value may see; `nil` for what the URI says, else the server's default.
    public var readConcern: ReadConcern?
    /// Whether finds and aggregations through this value ask the primary, whatever read preference the URI names: what
    /// was just written must be seen.
    public var readsFromPrimary = false

    /// How long calls through this value go on through trouble; `nil`: not at all.
    public var patience: Patience?
    /// Whether writes through this value do no more when the server gets them twice, so that patience covers also those
    /// whose outcome is unknown. Insertions and deletions are covered without it.
    public var isIdempotent = false

    init(namespace: Namespace, core: ClientCore, patience: Patience?) {
        self.namespace = namespace
        self.core = core
        self.patience = patience
    }

    public var name: String { namespace.collection }
    public var databaseName: String { namespace.database }

    /// The same collection with a write concern.
    public func with(_ writeConcern: WriteConcern?) -> MongoCollection {
        var copy = self
        copy.writeConcern = writeConcern
        return copy
    }

    /// Deletes the collection with its indexes; one that does not exist is no error.
    public func drop() async throws(MongoError) {
        do throws(MongoError) {
            try await write(["drop": .string(name)], .always)
        } catch {
            // NamespaceNotFound: servers before 7.0 say so.
            guard error.serverCode == 26 else { throw error }
        }
    }

    /// Sends a command that writes, with this value's write concern.
    @discardableResult
    func write(_ command: BSONDocument, _ repetition: Repetition? = nil) async throws(MongoError) -> BSONDocument {
        try namespace.check()
        let options = writeOptions
        let action = Action.command(command, database: namespace.database)
        return try await core.perform(action, patience, repetition ?? self.repetition) {
            [namespace] (client) throws(MongoError) in
            try client.run(.write, command, options: options, database: namespace.database)
        }
    }

    /// Sends a command that reads, with this value's read concern.
    func read(_ command: BSONDocument) async throws(MongoError) -> BSONDocument {
        try namespace.check()
        let options = readOptions
        let action = Action.command(command, database: namespace.database)
        return try await core.perform(action, patience, .always) { [namespace] (client) throws(MongoError) in
            try client.run(.read, command, options: options, database: namespace.database)
        }
    }

    /// The same collection for statements that may be sent twice; see ``isIdempotent``.
    package var idempotent: MongoCollection {
        var copy = self
        copy.isIdempotent = true
        return copy
    }

    var repetition: Repetition { isIdempotent ? .always : .ifNotDone }

    var writeOptions: BSONDocument {
        guard let writeConcern else { return BSONDocument() }
        return ["writeConcern": .document(writeConcern.document(timeout: core.options.writeConcernTimeout))]
    }

    var readOptions: BSONDocument {
        readConcern.map { ["readConcern": .document($0.document)] } ?? BSONDocument()
    }
}
