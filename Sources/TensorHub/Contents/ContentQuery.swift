import BSON

/// Which data sets or models of the project a call is about.
public struct ContentQuery: Sendable, Hashable {
    /// `nil` means any.
    public var name: String?
    /// `nil` means any; where one is looked for, the newest.
    public var version: Int?
    /// Any MongoDB filter besides.
    public var filter: Filter
    /// Where one is looked for, the first in this order; `nil` is the highest version, then the newest.
    public var sort: Sort?

    public init(name: String? = nil, version: Int? = nil, filter: Filter = .all, sort: Sort? = nil) {
        self.name = name
        self.version = version
        self.filter = filter
        self.sort = sort
    }
}
