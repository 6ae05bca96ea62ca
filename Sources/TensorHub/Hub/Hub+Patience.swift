public import MongoDriver

extension Hub {
    /// The same hub over the same connections, with another patience: none for what must be prompt, as a runner's
    /// renewals. Closing either closes both.
    public func with(patience: Patience?) -> Hub {
        Hub(client: client, project: project, logger: logger, patience: patience)
    }

    /// How often something that is done in many statements begins anew.
    private static let beginnings = 5

    /// Runs something that finds by itself what is left to do, and begins it anew where trouble that passes has cut it
    /// off.
    func beginningAnew<Value>(
        _ body: (_ isFirst: Bool) async throws(HubError) -> Value
    ) async throws(HubError) -> Value {
        var beginning = 1
        while true {
            do throws(HubError) {
                return try await body(beginning == 1)
            } catch {
                guard patience != nil, error.isTransient, beginning < Self.beginnings, !Task.isCancelled else {
                    throw error
                }
            }
            beginning += 1
            try? await Task.sleep(for: .milliseconds(200))
        }
    }
}
