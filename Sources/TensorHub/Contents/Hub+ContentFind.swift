import BSON
import MongoDriver

/// Finding and deleting, for data sets and models alike.
extension Hub {
    /// How many names are looked at for those that are near one that is not there.
    private static let namesToCompare = 20_000
    /// How many documents a statement deletes.
    static let deletedAtOnce = 1000

    /// The first in the order of the query.
    ///
    /// - Throws: `HubError.notFound`, with names that are near, or the versions that there are; `.invalidInput` of
    ///   field `sort` where none of those that match has the field.
    func findContent(_ query: ContentQuery, in collection: ContentCollection) async throws(HubError) -> BSONDocument {
        try query.validate()
        let filter = collection.filter(query, project: project)
        let found = try await list(filter, query, in: collection, sort: query.order, limit: 1)
        if let first = found.first { return first }
        throw try await missing(query, in: collection)
    }

    func findContents(_ query: ContentQuery, in collection: ContentCollection, limit: Int?)
        async throws(HubError) -> [BSONDocument]
    {
        try query.validate()
        if let limit, limit < 1 { throw .invalid("limit", "limit is \(limit); it must be at least 1") }
        let filter = collection.filter(query, project: project)
        return try await list(filter, query, in: collection, sort: query.sort ?? .oldest, limit: limit)
    }

    private func list(
        _ filter: BSONDocument,
        _ query: ContentQuery,
        in collection: ContentCollection,
        sort: Sort,
        limit: Int?
    ) async throws(HubError) -> [BSONDocument] {
        let source = self.collection(collection)
        func find(_ condition: Filter, _ limit: Int?) async throws(HubError) -> [BSONDocument] {
            let whole = (Filter(filter) && condition).document
            return try await translatingErrors { () async throws(MongoError) in
                try await source.findAll(whole, FindOptions(sort: sort.document, limit: limit))
            }
        }
        guard let field = query.rankedField else { return try await find(.all, limit) }
        let found = try await translatingErrors { () async throws(MongoError) in
            try await source.findRanked(
                filter,
                by: sort,
                plain: ["time", "project_name", collection.nameField],
                FindOptions(sort: sort.document, limit: limit)
            )
        }
        guard let first = found.first else { return [] }
        if first.value(atPath: field).map({ $0 == .null || $0.doubleValue?.isNaN == true }) ?? true,
            try await find(ContentQuery.ranked(field), 1).isEmpty
        {
            throw Self.sortOnNothing(field, try await find(.all, 20), collection)
        }
        for other in sort.document.keys.dropFirst() where other != "_id" {
            if try await find(ContentQuery.ranked(other), 1).isEmpty {
                throw Self.sortOnNothing(other, try await find(.all, 20), collection)
            }
        }
        return found
    }

    private static func sortOnNothing(
        _ field: String,
        _ examples: [BSONDocument],
        _ collection: ContentCollection
    ) -> HubError {
        let tags = Set(examples.flatMap { $0.keys.map(\.bytes) }).subtracting(collection.reservedNames)
        let fields = tags.sorted().prefix(20).map(\.text) + ["time", collection.nameField]
        let near = NearNames.of(field, among: fields)
        var error = HubError.invalid(
            "sort",
            "sort: no \(collection.noun) that matches has a value in '\(field)'; "
                + (near.isEmpty
                    ? "they have \(quoted(fields))" : "did you mean \(quoted(near))?")
        )
        error.suggestions = near
        return error
    }

    /// Why a query found nothing.
    func missing(_ query: ContentQuery, in collection: ContentCollection) async throws(HubError) -> HubError {
        let place = "in project '\(project)' of database '\(database.name)'"
        let source = self.collection(collection)
        guard let name = query.name else {
            return HubError(.notFound, "no \(collection.noun) \(place) matches")
        }
        let named: BSONDocument = ["project_name": .string(project), collection.nameField: .string(name)]
        let (documents, count) = try await translatingErrors { () async throws(MongoError) in
            (
                try await source.findAll(
                    named,
                    FindOptions(sort: ["hub.version": -1], projection: ["hub.version": 1], limit: 100)
                ), try await source.countDocuments(named)
            )
        }
        if count > 0 {
            let versions = documents.compactMap { $0.value(atPath: "hub.version")?.intValue }
            if let version = query.version, !versions.contains(version), versions.count < 100 || version < 1 {
                return HubError(
                    .notFound,
                    field: "version",
                    "\(collection.noun) '\(name)' has no version \(version); "
                        + (versions.isEmpty
                            ? "TensorLayer wrote it without versions, so leave the version out"
                            : "there \(versions.count == 1 ? "is" : "are") \(ranges(versions))")
                )
            }
            let which = query.version.map { "version \($0) of " } ?? ""
            return HubError(
                .notFound,
                field: "filter",
                "none of the \(count) stored as \(which)\(collection.noun) '\(name)' matches; widen the filter"
            )
        }
        let pipeline: [BSONDocument] = [
            ["$match": ["project_name": .string(project)]],
            ["$group": ["_id": .string("$" + collection.nameField)]],
            ["$limit": .int32(Int32(Self.namesToCompare))],
        ]
        let groups = try await translatingErrors { () async throws(MongoError) in
            try await source.aggregateAll(pipeline)
        }
        let near = NearNames.of(name, among: groups.compactMap { $0["_id"]?.stringValue })
        let advice = near.isEmpty ? "" : "; did you mean \(quoted(near))?"
        var error = HubError(.notFound, field: "name", "no \(collection.noun) '\(name)' \(place)\(advice)")
        error.suggestions = near
        return error
    }

    /// Deletes the documents, then those of their blobs that no other document refers to.
    ///
    /// - Returns: How many documents.
    func deleteContents(_ filter: BSONDocument, in collection: ContentCollection) async throws(HubError) -> Int {
        let source = self.collection(collection)
        try await ensureIndexes(collection.indexes, of: source, mustBeUnique: false)
        let projection: BSONDocument = [collection.blobField: 1, "hub.files.blob": 1]
        var deleted = 0
        var last: BSONDocument?
        while true {
            let place = last.flatMap { MongoCollection.behind($0, ["_id": 1]) }
            let rest = place.map { ["$and": [.document(filter), .document($0)]] } ?? filter
            let batch = try await translatingErrors { () async throws(MongoError) in
                try await source.findAll(
                    rest,
                    FindOptions(sort: ["_id": 1], projection: projection, limit: Self.deletedAtOnce)
                )
            }
            guard let end = batch.last else { return deleted }
            last = end
            deleted += try await translatingErrors { () async throws(MongoError) in
                try await source.delete(batch.compactMap { $0["_id"] }, matching: filter)
            }
            let blobs = Set(batch.flatMap { ContentFields($0, collection).blobs })
            if !blobs.isEmpty {
                do throws(HubError) {
                    try await releaseBlobs(Array(blobs), in: collection.bucket)
                } catch {
                    var failure = error
                    failure.message += "; \(deleted) documents are deleted, their files stay until `tensorhub gc`"
                    throw failure
                }
            }
        }
    }
}

/// `'a', 'b'`.
private func quoted(_ names: [String]) -> String {
    names.map { "'\($0)'" }.joined(separator: ", ")
}

/// `1 to 3, 5`, from numbers in falling order.
private func ranges(_ versions: [Int]) -> String {
    var parts: [(low: Int, high: Int)] = []
    for version in versions.reversed() {
        if let last = parts.last, version == last.high + 1 {
            parts[parts.count - 1].high = version
        } else {
            parts.append((version, version))
        }
    }
    return parts.map { $0.low == $0.high ? "\($0.low)" : "\($0.low) to \($0.high)" }.joined(separator: ", ")
}
