import Synchronization

/// Work that waits, of several parties that take turns: each party's in the order of coming, and no party's behind all
/// of another's. Decisions only.
struct TurnQueue<Element> {
    /// How much of one party's may be under way at once.
    let share: Int
    private(set) var waiting = 0
    private(set) var running = 0
    private var parties: [Int: Party] = [:]
    /// Parties that wait for something, the next one first.
    private var order: [Int] = []

    private struct Party {
        var waiting = Line<Element>()
        var running = 0
    }

    init(share: Int) {
        self.share = max(1, share)
    }

    func waiting(of party: Int) -> Int { parties[party]?.waiting.count ?? 0 }

    /// Whether `next` has something.
    var hasNext: Bool { waiting > 0 && order.contains { (parties[$0]?.running ?? 0) < share } }

    mutating func add(_ element: Element, of party: Int) {
        waiting += 1
        let isNew = parties[party]?.waiting.isEmpty ?? true
        parties[party, default: Party()].waiting.append(element)
        if isNew { order.append(party) }
    }

    /// Takes the next one; its party is then last. `ended` says that it is over.
    mutating func next() -> (party: Int, element: Element)? {
        guard let index = order.firstIndex(where: { (parties[$0]?.running ?? 0) < share }) else { return nil }
        let party = order.remove(at: index)
        guard let element = parties[party]?.waiting.popFirst() else { return nil }
        parties[party]?.running += 1
        waiting -= 1
        running += 1
        if parties[party]?.waiting.isEmpty == false { order.append(party) }
        return (party, element)
    }

    mutating func ended(_ party: Int) {
        running -= 1
        parties[party]?.running -= 1
        forget(party)
    }

    /// Takes out what waits and is meant.
    mutating func remove(where isMeant: (Element) -> Bool) -> [Element] {
        var removed: [Element] = []
        for party in Array(order) {
            let meant = parties[party]?.waiting.remove(where: isMeant) ?? []
            if meant.isEmpty { continue }
            removed += meant
            waiting -= meant.count
            if parties[party]?.waiting.isEmpty == true { order.removeAll { $0 == party } }
            forget(party)
        }
        return removed
    }

    private mutating func forget(_ party: Int) {
        if let known = parties[party], known.running == 0, known.waiting.isEmpty { parties[party] = nil }
    }
}

/// Tells parties apart.
package final class PartyNumbers: Sendable {
    private let last = Atomic(0)

    package init() {}

    package func next() -> Int { last.wrappingAdd(1, ordering: .relaxed).newValue }
}

/// First in, first out. What was taken out is let go of at once.
private struct Line<Element> {
    private var elements: [Element?] = []
    private var start = 0

    var count: Int { elements.count - start }
    var isEmpty: Bool { count == 0 }

    mutating func append(_ element: Element) { elements.append(element) }

    mutating func popFirst() -> Element? {
        guard start < elements.count, let first = elements[start].take() else { return nil }
        start += 1
        if start == elements.count || start >= 64 && start * 2 >= elements.count {
            elements.removeFirst(start)
            start = 0
        }
        return first
    }

    mutating func remove(where isMeant: (Element) -> Bool) -> [Element] {
        let all = elements[start...].compactMap(\.self)
        let meant = all.filter(isMeant)
        if meant.isEmpty { return [] }
        elements = all.filter { !isMeant($0) }
        start = 0
        return meant
    }
}
