/// Something that waits to be posted: a log entry, results, progress.
struct Report: Sendable {
    static let results = "/v1/results"
    static let progress = "/v1/progress"
    static func logs(_ kind: String) -> String { "/v1/logs/\(kind)" }

    /// Counts up from 1 in the order of the calls.
    var number: Int
    /// The request's path.
    var path: String
    /// Relaxed Extended JSON.
    var text: String
    /// Whether the caller waits for what becomes of it, and hears of a refusal.
    var isAwaited = false

    var isLog: Bool { path != Self.results && path != Self.progress }
}
