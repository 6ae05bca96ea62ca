public import BSON

/// What `Hub.prune` has deleted, or would.
public struct PruneReport: Sendable {
    /// How many documents of each kind.
    public var counts: [Retention.Kind: Int] = [:]
    /// The data sets and models among them, without their files.
    public var dataSets: [DataSetRecord] = []
    public var models: [ModelRecord] = []
    /// Those that were old enough and stay, with why: `holds stage 'production'`.
    public var kept: [(kind: Retention.Kind, id: ObjectID, name: String, version: Int?, reason: String)] = []

    public var isEmpty: Bool { counts.values.allSatisfy { $0 == 0 } }
}
