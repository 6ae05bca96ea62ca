public import BSON

/// The time-bounded right of one runner to one attempt.
public struct Lease: Sendable, Hashable {
    /// The daemon run that holds it.
    public var runner: ObjectID
    /// What the claim was found by.
    public var token: ObjectID
    /// By the server's clock.
    public var expires: BSONDateTime

    init?(_ document: BSONDocument) {
        guard let runner = document["runner"]?.objectIDValue, let token = document["token"]?.objectIDValue,
            let expires = document["expires"]?.dateTimeValue
        else { return nil }
        self.runner = runner
        self.token = token
        self.expires = expires
    }
}
