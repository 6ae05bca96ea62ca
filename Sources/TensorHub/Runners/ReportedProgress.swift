public import BSON

/// How far the script of a running task says that it is.
public struct ReportedProgress: Sendable, Hashable {
    /// From 0 to 1.
    public var fraction: Double?
    public var message: String?
    /// By the server's clock.
    public var time: BSONDateTime?

    init(_ document: BSONDocument) {
        fraction = document["fraction"]?.doubleValue.flatMap { (0...1).contains($0) ? $0 : nil }
        message = document["message"]?.stringValue
        time = document["time"]?.dateTimeValue
    }
}
