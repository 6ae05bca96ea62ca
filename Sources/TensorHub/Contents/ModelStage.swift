public import BSON

/// Which version of a model holds a stage, as `production`: one document for each name and stage, so that exactly one
/// version holds it at any moment. One that was taken away stays without a model, for its history.
public struct ModelStage: Sendable, Hashable {
    public var document: BSONDocument
    /// Of the model.
    public var name: String
    public var stage: String
    public var model: ObjectID
    /// `nil` for a model of TensorLayer's.
    public var version: Int?
    /// Since when, by the server's clock.
    public var time: BSONDateTime?

    /// How many entries the history has: who has held it, and when nobody did.
    static let remembered: Int32 = 50

    init?(_ document: BSONDocument) {
        guard let id = document["_id"]?.documentValue, let name = id["name"]?.stringValue,
            let stage = id["stage"]?.stringValue, let model = document["model"]?.objectIDValue
        else { return nil }
        self.document = document
        self.name = name
        self.stage = stage
        self.model = model
        version = document["version"]?.intValue
        time = document["time"]?.dateTimeValue
    }
}
