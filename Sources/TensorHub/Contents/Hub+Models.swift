public import BSON
import MongoDriver

extension Hub {
    /// Stores a model: its parameters first, each content once per database, then its document with the architecture.
    /// Its version is the highest of that name and one more.
    ///
    /// TensorLayer: `save_model`.
    ///
    /// - Parameters:
    ///   - parameters: `nil` stores the architecture alone.
    ///   - architecture: Any document.
    ///   - tags: Top-level fields to find it by, metrics among them.
    ///   - id: Saved again under the same one, nothing changes, and what is there comes back.
    ///   - lineage: The attempt that made it and the data sets that it read.
    ///   - uploader: Whose upload it is, for `dropUploads`.
    /// - Throws: `HubError.invalidInput` that names the field and the fix; nothing is left behind.
    @discardableResult
    public func saveModel(
        _ parameters: Content?,
        name: String,
        architecture: BSONDocument = [:],
        tags: BSONDocument = [:],
        id: ObjectID = ObjectID(),
        lineage: Lineage? = nil,
        uploader: ObjectID? = nil
    ) async throws(HubError) -> ModelRecord {
        try TaskSpec.validateKeys(of: architecture, at: "architecture")
        if architecture.bytes.count > Self.largestContentDocument {
            throw .invalid(
                "architecture",
                "the architecture has \(architecture.bytes.count) bytes and the limit is "
                    + "\(Self.largestContentDocument); store what is large as a file of the parameters"
            )
        }
        let document = try await saveContent(
            parameters,
            in: .models,
            name: name,
            tags: tags,
            id: id,
            uploader: uploader,
            origin: lineage?.document ?? [:]
        ) { time, blob in
            var fields: BSONDocument = [
                "model_name": .string(name), "project_name": .string(project), "architecture": .document(architecture),
                "time": .dateTime(time),
            ]
            if let blob { fields.append("params_id", .objectID(blob)) }
            return fields
        }
        return ModelRecord(document)
    }

    /// The first in the order of the query, the newest version of a name where it asks for none; the best one by
    /// `sort: .descending("test_accuracy")`.
    ///
    /// TensorLayer: `find_top_model`.
    ///
    /// - Parameter stage: The one version that holds it, as `production`.
    /// - Throws: `HubError.notFound`, with names that are near in `suggestions`.
    public func findModel(_ query: ContentQuery, stage: String? = nil) async throws(HubError) -> ModelRecord {
        guard let stage else { return ModelRecord(try await findContent(query, in: .models)) }
        try query.validate()
        let held = try await heldStage(stage, name: query.name)
        var narrowed = query
        narrowed.filter = FieldPath("_id") == .objectID(held.model) && query.filter
        do {
            return ModelRecord(try await findContent(narrowed, in: .models))
        } catch {
            guard error.code == .notFound else { throw error }
            let version = held.version.map { "version \($0)" } ?? "model \(held.model)"
            throw HubError(
                .notFound,
                field: "stage",
                "'\(stage)' of model '\(held.name)' is \(version), which is deleted or does not match; set the stage again"
            )
        }
    }

    /// All that match, the oldest first unless the query says otherwise. Those without a value in the first field of a
    /// sort come last.
    public func findModels(_ query: ContentQuery = .init(), limit: Int? = nil) async throws(HubError) -> [ModelRecord] {
        try await findContents(query, in: .models, limit: limit).map(ModelRecord.init)
    }

    /// Deletes documents, and their blobs with the last document that refers to them.
    ///
    /// TensorLayer: `delete_model`, which left the blobs.
    ///
    /// - Parameter force: Whether to delete also those that hold a stage; the stage is then nobody's.
    /// - Throws: `HubError.wrongState` where one of them holds a stage; nothing was deleted.
    @discardableResult
    public func deleteModels(_ query: ContentQuery, force: Bool = false) async throws(HubError) -> Int {
        try query.validate()
        let filter = ContentCollection.models.filter(query, project: project)
        let held = try await stages()
        let matching = try await translatingErrors { () async throws(MongoError) in
            try await collection(.models).findAll(
                [
                    "$and": [
                        .document(filter), ["_id": ["$in": .array(held.map { .objectID($0.model) })]],
                    ]
                ],
                FindOptions(projection: ["_id": 1])
            )
        }
        let holders = Set(matching.compactMap { $0["_id"]?.objectIDValue })
        if !force, let stage = held.first(where: { holders.contains($0.model) }) {
            throw HubError(
                .wrongState,
                field: "stage",
                "model '\(stage.name)'\(stage.version.map { " version \($0)" } ?? "") is '\(stage.stage)'; give the stage "
                    + "to another version or take it away first, or force it"
            )
        }
        let deleted = try await deleteContents(filter, in: .models)
        // Those that were given a stage meanwhile, too.
        try await dropStagesOfMissingModels()
        return deleted
    }
}

extension Lineage {
    /// The fields in `hub` of a model.
    var document: BSONDocument {
        var document = origin.document
        let sources = dataSets.map { dataSet -> BSONValue in
            var source: BSONDocument = ["id": .objectID(dataSet.id), "name": .string(dataSet.name)]
            if let version = dataSet.version { source.append("version", .init(smallest: version)) }
            if let sha256 = dataSet.sha256 { source.append("sha256", .string(sha256)) }
            return .document(source)
        }
        if !sources.isEmpty { document.append("data_sets", .array(sources)) }
        return document
    }
}
