public import BSON

extension MongoCollection {
    /// Deletes all documents that match. It is never repeated by libmongoc, but harmless to repeat, and with patience
    /// is.
    ///
    /// - Returns: How many; of those that went before a connection broke it does not know.
    @discardableResult
    public func deleteMany(_ filter: BSONDocument) async throws(MongoError) -> Int {
        try await deleteCounting(filter).count
    }

    private func deleteCounting(_ filter: BSONDocument) async throws(MongoError) -> (count: Int, isUnsure: Bool) {
        let (reply, isUnsure) = try await bulkCounting(.delete(namespace), ordered: true, patience, .always) {
            (bulk) throws(MongoError) in
            try bulk.add(.deleteMany(filter), options: BSONDocument())
        }
        return (reply["nRemoved"]?.intValue ?? 0, isUnsure)
    }

    /// Deletes those of the documents that still match.
    ///
    /// - Returns: How many, also where a connection broke meanwhile; those that others have deleted then count too.
    package func delete(_ ids: [BSONValue], matching filter: BSONDocument) async throws(MongoError) -> Int {
        let these: BSONDocument = ["_id": ["$in": .array(ids)]]
        let (count, isUnsure) = try await deleteCounting(["$and": [.document(filter), .document(these)]])
        if !isUnsure { return count }
        return ids.count - (try await countDocuments(these))
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
        var perseverance = Perseverance(core, patience)
        var total = 0
        while true {
            var found = source.find(filter, options).makeAsyncIterator()
            perseverance.begin()
            do throws(MongoError) {
                while true {
                    var ids: [BSONValue] = []
                    while ids.count < piece, let next = try await found.next() {
                        if let id = next["_id"] { ids.append(id) }
                    }
                    if ids.isEmpty { return total }
                    total += try await delete(ids, matching: filter)
                    perseverance = Perseverance(core, patience)
                    perseverance.begin()
                }
            } catch {
                // The query was cut off: what is still there is found by a new one.
                try await perseverance.goOn(after: error, .always)
            }
        }
    }
}
