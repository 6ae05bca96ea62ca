import Glibc
import TensorHub

/// What a supervisor was told at its start: how long its script may run, be silent, and take to end.
package struct SupervisorLimits: Sendable, Equatable {
    package var grace: Duration
    package var timeout: Duration?
    package var stall: Duration?

    init(_ plan: AttemptPlan) {
        grace = plan.grace
        timeout = plan.options.timeout
        stall = plan.options.stall
    }

    /// As a supervisor's command line has them.
    var words: [String] {
        let limits: [(String, Duration?)] = [("--grace", grace), ("--timeout", timeout), ("--stall", stall)]
        return limits.flatMap { name, limit in limit.map { [name, $0.secondsText] } ?? [] }
    }

    /// Those of a supervisor that an earlier runner has started, as its command line has them: the settings may be
    /// others by now.
    ///
    /// - Parameter arguments: `/proc/<pid>/cmdline`, words that end with NUL.
    init(commandLine arguments: [UInt8]) {
        // The script's own words begin after this one.
        let options = arguments.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }.prefix { $0 != "--" }
        func seconds(_ name: String) -> Duration? {
            guard let index = options.firstIndex(of: name), index + 1 < options.endIndex else { return nil }
            return Double(options[index + 1]).flatMap { $0.isFinite && $0 > 0 ? .seconds(min($0, 1e9)) : nil }
        }
        grace = seconds("--grace") ?? (options.contains("--grace") ? .zero : RunnerOptions.defaultGrace)
        timeout = seconds("--timeout")
        stall = seconds("--stall")
    }
}

extension Duration {
    /// Seconds with milliseconds, as the supervisor reads them; negative ones are none.
    fileprivate var secondsText: String {
        let (seconds, attoseconds) = components
        let milliseconds = attoseconds / 1_000_000_000_000_000
        guard seconds >= 0, milliseconds >= 0 else { return "0" }
        let digits = String(milliseconds)
        return "\(seconds).\(String(repeating: "0", count: 3 - digits.count))\(digits)"
    }
}
