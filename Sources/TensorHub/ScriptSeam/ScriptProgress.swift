/// How far a script says that it is.
public struct ScriptProgress: Sendable, Hashable {
    /// From 0 to 1.
    public var fraction: Double?
    public var message: String?

    public init(fraction: Double?, message: String?) {
        self.fraction = fraction
        self.message = message
    }
}
