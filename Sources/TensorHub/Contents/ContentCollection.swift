import BSON
import MongoDriver

/// What data sets and models differ in; all else about storing and finding them is the same.
struct ContentCollection: Sendable {
    /// Of MongoDB.
    let name: String
    let bucket: BlobBucket
    /// TensorLayer's fields for the name and for the blob of the first file.
    let nameField: String
    let blobField: String
    /// For messages.
    let noun: String
    let reservedNames: Set<ByteString>
    let indexes: [IndexModel]

    static let dataSets = ContentCollection(
        name: "Dataset",
        bucket: .dataSets,
        nameField: "dataset_name",
        blobField: "dataset_id",
        noun: "data set",
        reservedNames: DataSetRecord.reservedNames,
        indexes: ContentIndexes.dataSets
    )
    static let models = ContentCollection(
        name: "Model",
        bucket: .models,
        nameField: "model_name",
        blobField: "params_id",
        noun: "model",
        reservedNames: ModelRecord.reservedNames,
        indexes: ContentIndexes.models
    )

    /// The MongoDB filter of a query, the project first so that the indexes serve.
    func filter(_ query: ContentQuery, project: String) -> BSONDocument {
        var result: BSONDocument = ["project_name": .string(project)]
        if let name = query.name { result.append(nameField, .string(name)) }
        if let version = query.version { result.append("hub.version", .init(smallest: version)) }
        if !query.filter.document.isEmpty { result.append("$and", [.document(query.filter.document)]) }
        return result
    }
}

/// The indexes that keep a look-up at a handful of keys, whatever the number of data sets, models and versions. Those
/// that tell whether a blob is referred to are `BlobStore`'s.
enum ContentIndexes {
    static let dataSets = common(nameField: "dataset_name")

    static let models =
        common(nameField: "model_name") + [
            IndexModel(name: "lineage_id", keys: ["hub.data_sets.id": 1], sparse: true),
            IndexModel(name: "lineage_sha256", keys: ["hub.data_sets.sha256": 1], sparse: true),
        ]

    static let stages = [
        IndexModel(name: "model", keys: ["model": 1]),
        IndexModel(name: "by_name", keys: ["_id.project": 1, "_id.name": 1]),
    ]

    private static func common(nameField: String) -> [IndexModel] {
        [
            // Documents of TensorLayer's have no version and stay out of it.
            IndexModel(
                name: "version",
                keys: ["project_name": 1, nameField: 1, "hub.version": -1],
                unique: true,
                partialFilter: ["hub.version": ["$exists": true]]
            ),
            IndexModel(
                name: "newest",
                keys: ["project_name": 1, nameField: 1, "hub.version": -1, "time": -1, "_id": -1]
            ),
            IndexModel(name: "time", keys: ["project_name": 1, "time": -1, "_id": -1]),
            IndexModel(name: "task", keys: ["hub.task": 1], sparse: true),
            IndexModel(name: "content", keys: ["hub.sha256": 1], sparse: true),
        ]
    }
}
