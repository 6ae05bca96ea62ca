import BSON

/// What scripts did not find on a runner's machine since its start.
public struct RunnerLack: Sendable, Hashable {
    /// What is said of the machine behind "has": `no module torch`.
    public var what: String
    /// Attempts.
    public var count: Int

    package init(what: String, count: Int) { (self.what, self.count) = (what, count) }

    init?(_ document: BSONDocument) {
        guard let what = document["what"]?.stringValue, let count = document["count"]?.intValue else { return nil }
        self.init(what: what, count: count)
    }

    var document: BSONDocument { ["what": .string(what), "count": .init(smallest: count)] }
}
