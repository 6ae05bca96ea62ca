import TensorHub

/// How long to wait after each failure: the same, or doubled up to a limit.
package struct Backoff: Sendable {
    private let first: Duration
    private let longest: Duration
    private let spread: Double
    private let restartsInOutage: Bool
    private var upcoming: Duration

    /// Where nothing else is said.
    static let firstPause: Duration = .milliseconds(500)
    /// Always the same.
    package static let steady = Backoff(firstPause)
    /// For what may last long, as a quota. An outage ends for all at once, so that is asked for often.
    static let growing = Backoff(firstPause, upTo: .seconds(10), restartsInOutage: true)

    /// - Parameter spread: By how much of it each pause is jittered.
    package init(
        _ first: Duration,
        upTo longest: Duration? = nil,
        spread: Double = 0,
        restartsInOutage: Bool = false
    ) {
        self.first = first
        self.longest = longest ?? first
        self.spread = spread
        self.restartsInOutage = restartsInOutage
        upcoming = first
    }

    mutating func next() -> Duration {
        defer { upcoming = min(upcoming * 2, longest) }
        return spread == 0 ? upcoming : upcoming * Double.random(in: 1 - spread...1 + spread)
    }

    mutating func next(after error: any Error) -> Duration {
        if restartsInOutage, (error as? HubError)?.isTransient == true { upcoming = first }
        return next()
    }
}
