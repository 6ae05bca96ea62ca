public import BSON

/// What a model was made from and by.
public struct Lineage: Sendable, Hashable {
    /// A data set that the attempt has read.
    public struct DataSet: Sendable, Hashable {
        public var id: ObjectID
        public var name: String
        public var version: Int?
        /// Of the whole content.
        public var sha256: String?

        public init(id: ObjectID, name: String, version: Int?, sha256: String?) {
            self.id = id
            self.name = name
            self.version = version
            self.sha256 = sha256
        }
    }

    public var origin: AttemptID
    public var dataSets: [DataSet]

    public init(origin: AttemptID, dataSets: [DataSet] = []) {
        self.origin = origin
        self.dataSets = dataSets
    }
}
