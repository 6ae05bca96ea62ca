public import BSON
import CLibMongoC

/// An index to create.
public struct IndexModel: Sendable, Hashable {
    public var name: String
    /// The fields in order, with 1 or -1.
    public var keys: BSONDocument
    public var unique: Bool
    /// Whether documents without the field are left out.
    public var sparse: Bool
    /// Which documents the index holds; `nil` for all.
    public var partialFilter: BSONDocument?

    public init(
        name: String,
        keys: BSONDocument,
        unique: Bool = false,
        sparse: Bool = false,
        partialFilter: BSONDocument? = nil
    ) {
        self.name = name
        self.keys = keys
        self.unique = unique
        self.sparse = sparse
        self.partialFilter = partialFilter
    }

    var document: BSONDocument {
        var document: BSONDocument = ["key": .document(keys), "name": .string(name)]
        if unique { document.append("unique", true) }
        if sparse { document.append("sparse", true) }
        if let partialFilter { document.append("partialFilterExpression", .document(partialFilter)) }
        return document
    }
}

extension MongoCollection {
    /// Creates the indexes that are not there yet, and the collection where needed. An index of the same name with
    /// other keys or options is an error.
    public func createIndexes(_ indexes: [IndexModel]) async throws(MongoError) {
        guard !indexes.isEmpty else { return }
        try await write(createIndexesCommand(indexes), .always)
    }

    func createIndexesCommand(_ indexes: [IndexModel]) -> BSONDocument {
        ["createIndexes": .string(name), "indexes": .array(indexes.map { .document($0.document) })]
    }

    /// The indexes as the server describes them: `name`, `key`, and so on. Empty when there is no such collection.
    public func listIndexes() async throws(MongoError) -> [BSONDocument] {
        let query: Query = { (_, collection) throws(MongoError) in
            mongoc_collection_find_indexes_with_opts(collection, nil)
        }
        return try await all(query, as: .listIndexes(namespace))
    }
}
