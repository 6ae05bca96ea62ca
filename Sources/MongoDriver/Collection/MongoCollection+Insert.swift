public import BSON

extension MongoCollection {
    /// Inserts documents in as few messages as the server's limits allow; those without `_id` are given one.
    ///
    /// With patience each document is there once afterwards: what was answered by nobody is looked for by its `_id`.
    ///
    /// - Parameter ordered: Whether the first document that is refused stops the rest.
    /// - Returns: How many were inserted.
    /// - Throws: When documents are refused the error's `writeErrors` name which. Its code is
    ///   ``MongoError/Code/duplicateKey`` only where all of them are there already, as far as the write concern asks.
    @discardableResult
    public func insertMany(_ documents: [BSONDocument], ordered: Bool = true) async throws(MongoError) -> Int {
        guard !documents.isEmpty else { return 0 }
        guard patience != nil else { return try await insert(documents, ordered: ordered) }
        let documents = documents.map(\.identified)
        var perseverance = Perseverance(core, patience)
        /// Those that are not known to be there.
        var rest = Array(documents.indices)
        while true {
            perseverance.begin()
            do throws(MongoError) {
                let count = try await insert(rest.map { documents[$0] }, ordered: ordered && !perseverance.isUnsure)
                return perseverance.isUnsure ? documents.count : count
            } catch {
                if perseverance.isUnsure, error.code == .duplicateKey {
                    // Some of them had come through, and the majority has them now.
                    let there = try await present(rest.map { documents[$0] })
                    let refused = error.writeErrors.filter {
                        rest.indices.contains($0.index) && documents[rest[$0.index]]["_id"].map(there.contains) != true
                    }
                    if refused.isEmpty { return documents.count }
                    var failure = error
                    failure.writeErrors = refused.map {
                        MongoError.WriteError(index: rest[$0.index], code: $0.code, message: $0.message)
                    }
                    throw failure
                }
                try await perseverance.goOn(after: error, .always)
                guard perseverance.isUnsure else { continue }
                let there = try await present(rest.map { documents[$0] })
                let last = rest.last
                rest = rest.filter { documents[$0]["_id"].map(there.contains) != true }
                // That the server refuses it once more says that the majority has it.
                if rest.isEmpty, let last { rest = [last] }
            }
        }
    }

    /// Which of the documents are there, by their `_id`.
    private func present(_ documents: [BSONDocument]) async throws(MongoError) -> Set<BSONValue> {
        var source = self
        source.readsFromPrimary = true
        var there: Set<BSONValue> = []
        for start in stride(from: 0, to: documents.count, by: 10_000) {
            let ids = documents[start..<min(documents.count, start + 10_000)].compactMap { $0["_id"] }
            let found = try await source.findAll(["_id": ["$in": .array(ids)]], FindOptions(projection: ["_id": 1]))
            there.formUnion(found.compactMap { $0["_id"] })
        }
        return there
    }

    private func insert(_ documents: [BSONDocument], ordered: Bool) async throws(MongoError) -> Int {
        do throws(MongoError) {
            let reply = try await bulkCounting(.insert(namespace), ordered: ordered, nil, .ifNotDone) {
                (bulk) throws(MongoError) in
                for document in documents { try bulk.add(.insert(document), options: Self.unvalidated) }
            }.value
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
}

extension BSONDocument {
    /// The same, with a new `_id` in front where there was none.
    var identified: BSONDocument {
        if self["_id"] != nil { return self }
        return BSONDocument(elements: [("_id", .objectID(ObjectID()))] + map { ($0.key, $0.value) })
    }
}
