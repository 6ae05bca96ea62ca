import Console
import Synchronization

/// A database that is away while something looks at what runs for hours: said once, then tried again and again.
struct Outage {
    private(set) var isOn = false

    /// Before another try.
    static let pause: Duration = .seconds(1)

    mutating func begin(_ error: any Error) {
        if !isOn { Self.tell(error) }
        isOn = true
    }

    mutating func end() { isOn = false }

    /// The same of one call that is being repeated, once in a while however many calls there are.
    static func tellOnce(_ error: any Error) {
        let isDue = lastTold.withLock { last in
            if let last, last.duration(to: .now) < .seconds(60) { return false }
            last = .now
            return true
        }
        if isDue { tell(error) }
    }

    private static let lastTold = Mutex<ContinuousClock.Instant?>(nil)

    static func tell(_ error: any Error) { StandardError.line("MongoDB is away (\(error)); trying again") }
}
