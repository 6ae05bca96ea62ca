public import BSON

extension MongoCollection {
    /// Changes the first document in the order of `sort` that matches, in one atomic step. libmongoc repeats it once
    /// when the connection breaks.
    ///
    /// - Parameters:
    ///   - returnNew: Whether the document comes back as it is after the change, or as it was before.
    /// - Returns: The document; `nil` when none matched, or when an upsert made one and `returnNew` is false.
    public func findAndModify(
        _ filter: BSONDocument,
        _ update: MongoUpdate,
        sort: BSONDocument? = nil,
        projection: BSONDocument? = nil,
        returnNew: Bool = true,
        upsert: Bool = false,
        hint: IndexHint? = nil,
        maxTime: Duration? = nil
    ) async throws(MongoError) -> BSONDocument? {
        var command: BSONDocument = [
            "findAndModify": .string(name), "query": .document(filter), "update": update.value,
        ]
        if returnNew { command.append("new", true) }
        if upsert { command.append("upsert", true) }
        return try await findAndModify(&command, sort, projection, hint, maxTime)
    }

    /// Deletes the first document in the order of `sort` that matches, and returns it.
    public func findOneAndDelete(
        _ filter: BSONDocument,
        sort: BSONDocument? = nil,
        projection: BSONDocument? = nil,
        hint: IndexHint? = nil,
        maxTime: Duration? = nil
    ) async throws(MongoError) -> BSONDocument? {
        var command: BSONDocument = ["findAndModify": .string(name), "query": .document(filter), "remove": true]
        return try await findAndModify(&command, sort, projection, hint, maxTime)
    }

    private func findAndModify(
        _ command: inout BSONDocument,
        _ sort: BSONDocument?,
        _ projection: BSONDocument?,
        _ hint: IndexHint?,
        _ maxTime: Duration?
    ) async throws(MongoError) -> BSONDocument? {
        if let sort { command.append("sort", .document(sort)) }
        if let projection { command.append("fields", .document(projection)) }
        if let hint { command.append("hint", hint.value) }
        if let maxTime { command.append("maxTimeMS", .int32(maxTime.milliseconds32)) }
        return try await write(command)["value"]?.documentValue
    }
}
