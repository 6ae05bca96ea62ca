/// The open connections of one service, and which of them have shown that they may be there. Decisions only.
///
/// Who has shown nothing yet must not keep others out: where there is no room for a new connection, the oldest one that
/// has shown nothing gives way.
struct ConnectionBook<Peer: Hashable> {
    enum Admission: Equatable {
        case admitted
        /// In the place of another one, which is to be closed.
        case instead(of: Int)
        case refused
    }

    private struct Entry {
        var peer: Peer?
        var isProven = false
    }

    /// Connections at once.
    let limit: Int
    private var entries: [Int: Entry] = [:]
    private var peers: [Peer: Int] = [:]
    /// Those that have shown nothing, with numbers in the order of coming.
    private var unproven: [Int] = []

    init(limit: Int) {
        self.limit = limit
    }

    var count: Int { entries.count }

    /// Whether a new one could be admitted.
    var hasRoom: Bool { entries.count < limit || !unproven.isEmpty }

    /// - Parameters:
    ///   - number: Larger than those before.
    ///   - peer: Whose it is; `nil` for one that counts with nobody.
    ///   - share: How many that peer may have.
    mutating func admit(_ number: Int, of peer: Peer?, share: Int) -> Admission {
        var victim: Int?
        if let peer, peers[peer, default: 0] >= share {
            guard let own = unproven.first(where: { entries[$0]?.peer == peer }) else { return .refused }
            victim = own
        } else if entries.count >= limit {
            guard let oldest = unproven.first else { return .refused }
            victim = oldest
        }
        if let victim { close(victim) }
        entries[number] = Entry(peer: peer)
        unproven.append(number)
        if let peer { peers[peer, default: 0] += 1 }
        return victim.map { .instead(of: $0) } ?? .admitted
    }

    mutating func prove(_ number: Int) {
        guard entries[number]?.isProven == false else { return }
        entries[number]?.isProven = true
        unproven.removeAll { $0 == number }
    }

    func isProven(_ number: Int) -> Bool { entries[number]?.isProven ?? false }

    mutating func close(_ number: Int) {
        guard let entry = entries.removeValue(forKey: number) else { return }
        if !entry.isProven { unproven.removeAll { $0 == number } }
        guard let peer = entry.peer, let count = peers[peer] else { return }
        peers[peer] = count > 1 ? count - 1 : nil
    }
}
