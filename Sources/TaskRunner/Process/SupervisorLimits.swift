import Glibc

/// What a supervisor was told at its start: how long its script may run, be silent, and take to end.
package struct SupervisorLimits: Sendable, Equatable {
    package var grace: Duration
    package var timeout: Duration?
    package var stall: Duration?

    init(_ plan: AttemptPlan) {
        grace = plan.grace
        timeout = plan.timeout
        stall = plan.stall
    }

    /// Those of a supervisor that an earlier runner has started, as its command line has them: the settings may be
    /// others by now.
    ///
    /// - Parameter arguments: `/proc/<pid>/cmdline`, words that end with NUL.
    init(commandLine arguments: [UInt8]) {
        self.init(words: arguments.split(separator: 0).map { String(decoding: $0, as: UTF8.self) })
    }

    private init(words: [String]) {
        // The script's own words begin after this one.
        let options = words.prefix { $0 != "--" }
        func seconds(_ name: String) -> Duration? {
            guard let index = options.firstIndex(of: name), index + 1 < options.endIndex else { return nil }
            return Double(options[index + 1]).flatMap { $0.isFinite && $0 > 0 ? .seconds(min($0, 1e9)) : nil }
        }
        grace = seconds("--grace") ?? (options.contains("--grace") ? .zero : AttemptPlan.defaultGrace)
        timeout = seconds("--timeout")
        stall = seconds("--stall")
    }
}
