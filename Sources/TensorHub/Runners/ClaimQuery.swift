package import BSON

/// What a runner takes.
package struct ClaimQuery: Sendable {
    /// Task names; empty takes any.
    package var names: [String]
    /// Any further condition.
    package var filter: Filter
    /// `nil` takes the highest priority first, then the oldest.
    package var sort: Sort?

    package init(names: [String] = [], filter: Filter = .all, sort: Sort? = nil) {
        self.names = names
        self.filter = filter
        self.sort = sort
    }

    /// - Parameters:
    ///   - name: The runner's; tasks that are to be tried elsewhere are left to others.
    ///   - host: Its machine's, likewise.
    package func document(project: String, runner name: String? = nil, host: String? = nil) -> BSONDocument {
        TaskStatements.claimFilter(project: project, names: names, filter: filter.document, runner: name, host: host)
    }

    var order: BSONDocument { sort?.document ?? TaskStatements.claimOrder }
}
