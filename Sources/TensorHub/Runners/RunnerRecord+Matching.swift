import BSON

extension RunnerRecord {
    /// The runners that somebody means by a word: an identifier, the beginning of one, or a name. Of those with that
    /// name the ones that have neither stopped nor been lost, unless there are no others.
    ///
    /// - Throws: `HubError.invalidInput` where it is the beginning of several identifiers.
    package static func matching(_ word: String, among runners: [RunnerRecord]) throws(HubError) -> [RunnerRecord] {
        let named = runners.filter { $0.name?.bytes == word.bytes }
        if !named.isEmpty {
            let alive = named.filter { $0.state != .stopped && $0.state != .lost }
            if !alive.isEmpty { return alive }
            let lost = named.filter { $0.state == .lost }
            return lost.isEmpty ? Array(named.suffix(1)) : lost
        }
        let digits = word.lowercased()
        guard !digits.isEmpty else { return [] }
        let found = runners.filter { $0.id.description.bytes.hasPrefix(digits.bytes) }
        if found.count > 1 {
            let ids = found.map(\.id.description).joined(separator: ", ")
            throw .invalid("runner", "'\(word)' is the beginning of several ids; give more of it: \(ids)")
        }
        return found
    }
}
