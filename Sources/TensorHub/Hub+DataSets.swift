public import BSON

private let unbuilt = HubError(.database, "not built yet")

extension Hub {
    /// TensorLayer: `save_dataset`.
    @discardableResult
    public func saveDataSet(
        _ content: Content,
        name: String,
        tags: BSONDocument = [:],
        id: ObjectID = ObjectID(),
        origin: AttemptOrigin? = nil
    ) async throws(HubError) -> DataSetRecord { throw unbuilt }

    /// TensorLayer: `find_top_dataset`.
    ///
    /// - Throws: `HubError.notFound`, with names that are near.
    public func findDataSet(_ query: ContentQuery) async throws(HubError) -> DataSetRecord { throw unbuilt }

    /// TensorLayer: `find_datasets`.
    public func findDataSets(_ query: ContentQuery = .init(), limit: Int? = nil) async throws(HubError)
        -> [DataSetRecord]
    { throw unbuilt }

    /// Deletes documents, and their blobs with the last document that refers to them.
    ///
    /// TensorLayer: `delete_datasets`, which left the blobs.
    @discardableResult
    public func deleteDataSets(_ query: ContentQuery) async throws(HubError) -> Int { throw unbuilt }
}
