import Console

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

    static func tell(_ error: any Error) { StandardError.line("MongoDB is away (\(error)); trying again") }
}
