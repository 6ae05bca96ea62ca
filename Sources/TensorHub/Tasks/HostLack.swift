import BSON

/// A machine that does not have what a task needs. Its runners leave the task to those of other machines.
public struct HostLack: Sendable, Hashable {
    /// What the machine calls itself.
    public var host: String
    /// What is said of it behind "has": `no module torch`.
    public var what: String
    /// The attempt that found out.
    public var attempt: Int

    package init(host: String, what: String, attempt: Int) {
        (self.host, self.what, self.attempt) = (host, what, attempt)
    }

    init?(_ document: BSONDocument) {
        guard let host = document["host"]?.stringValue else { return nil }
        self.init(
            host: host,
            what: document["what"]?.stringValue ?? "",
            attempt: document["attempt"]?.intValue ?? 0
        )
    }

    /// `gpu-2 has no module torch`.
    public var text: String { "\(host) has \(what)" }

    var document: BSONDocument {
        ["host": .string(host), "what": .string(what), "attempt": .init(smallest: attempt)]
    }
}
