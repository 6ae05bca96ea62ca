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
        /// Whatever succeeded in between.
        var lacks: [RunnerLack] = []
    }

    private let state = Mutex(State())

    /// The longest that a slot stays taken after one.
    static let longestRest: Duration = .seconds(30)
    /// Attempts in a row after which slots rest: one script of many tasks must not run through the queue either.
    static let restless = 2

    /// So many different things are remembered.
    private static let remembered = 5

    /// A script found what it needs.
    func met() {
        state.withLock { state in
            state.scripts = []
            state.count = 0
        }
    }

    /// Somebody says that all is well.
    func forget() { state.withLock { $0 = State() } }

    /// For people, the latest last.
    var lacks: [RunnerLack] { state.withLock { $0.lacks } }

    /// - Parameter limit: How many different scripts in a row pause the runner; `nil` never does.
    /// - Returns: Why the runner is to pause, once; how long the slot stays taken, doubled each time.
    func lacked(_ what: String, script: [UInt8], limit: Int?) -> (reason: String?, rest: Duration) {
        let hash = SHA256.hex(of: script)
        return state.withLock { state in
            state.count += 1
            let before = state.lacks.first { $0.what.bytes == what.bytes }?.count ?? 0
            state.lacks.removeAll { $0.what.bytes == what.bytes }
            state.lacks = state.lacks.suffix(Self.remembered - 1) + [RunnerLack(what: what, count: before + 1)]
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
