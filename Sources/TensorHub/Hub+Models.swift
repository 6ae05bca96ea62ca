public import BSON

private let unbuilt = HubError(.database, "not built yet")

extension Hub {
    /// TensorLayer: `save_model`.
    @discardableResult
    public func saveModel(
        _ parameters: Content?,
        name: String,
        architecture: BSONDocument = [:],
        tags: BSONDocument = [:],
        id: ObjectID = ObjectID(),
        lineage: Lineage? = nil
    ) async throws(HubError) -> ModelRecord { throw unbuilt }

    /// TensorLayer: `find_top_model`.
    ///
    /// - Parameter stage: The one version that holds it, as `production`.
    public func findModel(_ query: ContentQuery, stage: String? = nil) async throws(HubError) -> ModelRecord {
        throw unbuilt
    }

    public func findModels(_ query: ContentQuery = .init(), limit: Int? = nil) async throws(HubError) -> [ModelRecord] {
        throw unbuilt
    }

    /// TensorLayer: `delete_model`.
    @discardableResult
    public func deleteModels(_ query: ContentQuery) async throws(HubError) -> Int { throw unbuilt }
}
