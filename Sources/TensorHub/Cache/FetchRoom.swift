import BSON
import Synchronization

/// What one fetch still has to bring into the cache. With it the cache is looked through a few times for each fetch,
/// not for each of its files.
final class FetchRoom: Sendable {
    /// The names of all files of the fetch, which it does not evict.
    let wanted: Set<ByteString>
    private let step: Int64
    private let state: Mutex<(missing: [ByteString: Int64], rest: Int64, arrived: Int64)>

    /// - Parameters:
    ///   - missing: Bytes, by name.
    ///   - step: After how many bytes the cache is looked through again: others fetch at the same time.
    init(wanted: Set<ByteString>, missing: [ByteString: Int64], step: Int64) {
        self.wanted = wanted
        self.step = max(1, step)
        let rest = missing.values.reduce(Int64(0)) { $0.addingClamped($1) }
        state = Mutex((missing, rest, 0))
    }

    /// Bytes.
    var rest: Int64 { state.withLock { $0.rest } }

    /// A file is there.
    ///
    /// - Returns: Whether it is time to look through the cache again.
    func arrived(_ name: String) -> Bool {
        state.withLock { state in
            guard let length = state.missing.removeValue(forKey: name.bytes) else { return false }
            state.rest = state.missing.isEmpty ? 0 : max(0, state.rest - length)
            state.arrived = state.arrived.addingClamped(length)
            guard state.arrived >= step, !state.missing.isEmpty else { return false }
            state.arrived = 0
            return true
        }
    }
}

extension Int64 {
    /// The sum of two lengths that anybody may have written: not below zero, and the largest number where it is larger.
    package func addingClamped(_ other: Int64) -> Int64 {
        let (sum, isOverflow) = Swift.max(0, self).addingReportingOverflow(Swift.max(0, other))
        return isOverflow ? .max : sum
    }
}

extension Sequence<StoredFile> {
    /// Bytes of all of them.
    package var totalLength: Int64 { reduce(0) { $0.addingClamped($1.blob.length) } }
}
