public import BSON
import MongoDriver

extension Hub {
    /// Stores a data set: its files first, each content once per database, then its document. Its version is the
    /// highest of that name and one more.
    ///
    /// TensorLayer: `save_dataset`.
    ///
    /// - Parameters:
    ///   - tags: Top-level fields to find it by; `description` is one like any other.
    ///   - id: Saved again under the same one, nothing changes, and what is there comes back.
    ///   - origin: The attempt that saves it.
    ///   - uploader: Whose upload it is, for `dropUploads`.
    /// - Throws: `HubError.invalidInput` that names the field and the fix; nothing is left behind.
    @discardableResult
    public func saveDataSet(
        _ content: Content,
        name: String,
        tags: BSONDocument = [:],
        id: ObjectID = ObjectID(),
        origin: AttemptID? = nil,
        uploader: ObjectID? = nil
    ) async throws(HubError) -> DataSetRecord {
        let document = try await saveContent(
            content,
            in: .dataSets,
            name: name,
            tags: tags,
            id: id,
            uploader: uploader,
            origin: origin?.document ?? [:]
        ) { time, blob in
            [
                "project_name": .string(project), "dataset_name": .string(name),
                "dataset_id": blob.map(BSONValue.objectID) ?? .null, "time": .dateTime(time),
            ]
        }
        return DataSetRecord(document)
    }

    /// The first in the order of the query, the newest version of a name where it asks for none.
    ///
    /// TensorLayer: `find_top_dataset`.
    ///
    /// - Throws: `HubError.notFound`, with names that are near in `suggestions`.
    public func findDataSet(_ query: ContentQuery) async throws(HubError) -> DataSetRecord {
        DataSetRecord(try await findContent(query, in: .dataSets))
    }

    /// All that match, the oldest first unless the query says otherwise. Those without a value in the first field of a
    /// sort come last.
    ///
    /// TensorLayer: `find_datasets`.
    public func findDataSets(_ query: ContentQuery = .init(), limit: Int? = nil) async throws(HubError)
        -> [DataSetRecord]
    {
        try await findContents(query, in: .dataSets, limit: limit).map(DataSetRecord.init)
    }

    /// Deletes documents, and their blobs with the last document that refers to them.
    ///
    /// TensorLayer: `delete_datasets`, which left the blobs.
    ///
    /// - Parameter sparingLineage: Whether to refuse all of it where one of them is named by the lineage of a model.
    /// - Throws: `HubError.wrongState` where it is refused.
    @discardableResult
    public func deleteDataSets(_ query: ContentQuery, sparingLineage: Bool = false) async throws(HubError) -> Int {
        try query.validate()
        let filter = ContentCollection.dataSets.filter(query, project: project)
        if sparingLineage { try await refuseDataSetsOfModels(filter) }
        return try await deleteContents(filter, in: .dataSets)
    }

    private func refuseDataSetsOfModels(_ filter: BSONDocument) async throws(HubError) {
        let found = try await translatingErrors { () async throws(MongoError) in
            try await collection(.dataSets).findAll(
                filter,
                FindOptions(projection: ["dataset_name": 1, "hub.version": 1, "hub.sha256": 1])
            )
        }
        for start in stride(from: 0, to: found.count, by: Self.deletedAtOnce) {
            let batch = found[start..<min(start + Self.deletedAtOnce, found.count)].map(DataSetRecord.init)
            let used = try await dataSetsOfModels(batch)
            guard let dataSet = batch.first(where: { $0.id.map(used.keys.contains) == true }), let id = dataSet.id,
                let model = used[id]
            else { continue }
            let version = dataSet.version.map { " version \($0)" } ?? ""
            throw HubError(
                .wrongState,
                "data set '\(dataSet.name ?? "\(id)")'\(version) is in the lineage of model '\(model.name ?? "")'"
                    + "\(model.version.map { " version \($0)" } ?? ""); delete the model first, or force it"
            )
        }
    }

    /// Which of the data sets the lineage of a model names, by identifier or by content, and one such model for each.
    ///
    /// - Parameter ignored: Models that do not count.
    func dataSetsOfModels(_ dataSets: [DataSetRecord], except ignored: Set<ObjectID> = []) async throws(HubError)
        -> [ObjectID: ModelRecord]
    {
        let ids = dataSets.compactMap(\.id)
        let hashes = dataSets.compactMap(\.sha256).uniqueByBytes()
        if ids.isEmpty { return [:] }
        let filter: BSONDocument = [
            "project_name": .string(project),
            "$or": [
                ["hub.data_sets.id": ["$in": .array(ids.map(BSONValue.objectID))]],
                ["hub.data_sets.sha256": ["$in": .array(hashes.map(BSONValue.string))]],
            ],
        ]
        let models = try await translatingErrors { () async throws(MongoError) in
            try await collection(.models).findAll(
                filter,
                FindOptions(projection: ["model_name": 1, "hub.version": 1, "hub.data_sets": 1])
            ).map(ModelRecord.init)
        }
        var result: [ObjectID: ModelRecord] = [:]
        let asked = Set(ids)
        let withContent = Dictionary(
            dataSets.compactMap { dataSet in dataSet.sha256.flatMap { hash in dataSet.id.map { (hash.bytes, [$0]) } } },
            uniquingKeysWith: +
        )
        for model in models where model.id.map(ignored.contains) != true {
            for source in model.sources {
                if asked.contains(source.id) { result[source.id] = model }
                for id in source.sha256.flatMap({ withContent[$0.bytes] }) ?? [] { result[id] = model }
            }
        }
        return result
    }
}
