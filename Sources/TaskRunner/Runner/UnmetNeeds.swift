import BSON
import Synchronization
import TensorHub

/// The scripts in a row that did not find on this machine what they need. Not kept over a restart.
final class UnmetNeeds: Sendable {
    private struct State {
        /// Different ones: their hashes, and what each missed.
        var scripts: [(hash: String, what: String)] = []
        /// Attempts.
        var count = 0
    }

    private let state = Mutex(State())

    /// The longest that a slot stays taken after one.
    static let longestRest: Duration = .seconds(30)
    /// Attempts in a row after which slots rest: one script of many tasks must not run through the queue either.
    static let restless = 2

    /// A script found what it needs, or somebody says that all is well.
    func met() { state.withLock { $0 = State() } }

    /// - Parameter limit: How many different scripts in a row pause the runner; `nil` never does.
    /// - Returns: Why the runner is to pause, once; how long the slot stays taken, doubled each time.
    func lacked(_ what: String, script: [UInt8], limit: Int?) -> (reason: String?, rest: Duration) {
        let hash = SHA256.hex(of: script)
        return state.withLock { state in
            state.count += 1
            let excess = state.count - Self.restless - 1
            let rest = excess < 0 ? .zero : min(.seconds(1 << min(excess, 10)), Self.longestRest)
            guard let limit, state.scripts.count < limit,
                !state.scripts.contains(where: { $0.hash.bytes == hash.bytes })
            else { return (nil, rest) }
            state.scripts.append((hash, what))
            if state.scripts.count < limit { return (nil, rest) }
            let words = state.scripts.map(\.what).uniqueByBytes().joined(separator: "; ")
            return ("\(limit) scripts in a row did not find what they need: \(words)", rest)
        }
    }
}
