/// The reports that are not with the runner yet, in order. Pure: what a `Reporter` does follows from it.
struct ReportQueue {
    /// Of one request, at most.
    static let batchCount = 2000
    static let batchSize = 1 << 20

    /// What the next requests are made of; a prefix of all that waits, less what of it was settled.
    private var backlog: [Report] = []
    private var incoming: [Report] = []
    private var start = 0
    /// The number of the report that came last.
    private(set) var last = 0
    /// Bytes that wait.
    private(set) var size = 0

    /// Every report up to this number is settled.
    var settled: Int { (backlog.first ?? incoming[start...].first).map { $0.number - 1 } ?? last }
    /// Everything that is not settled, in order.
    var all: [Report] { backlog + incoming[start...] }

    mutating func put(_ path: String, _ text: String, isAwaited: Bool = false) -> Int {
        last += 1
        size += text.utf8.count
        incoming.append(Report(number: last, path: path, text: text, isAwaited: isAwaited))
        return last
    }

    /// The reports of the next request: those among the oldest that go where the very oldest goes. Results go one by
    /// one. They stay until they are settled.
    mutating func batch() -> [Report] {
        var room = Self.batchSize - backlog.reduce(0) { $0 + $1.text.utf8.count }
        while backlog.count < Self.batchCount, start < incoming.count, backlog.isEmpty || room > 0 {
            room -= incoming[start].text.utf8.count
            backlog.append(incoming[start])
            start += 1
        }
        if start == incoming.count {
            incoming.removeAll(keepingCapacity: true)
            start = 0
        } else if start > incoming.count / 2 {
            incoming.removeFirst(start)
            start = 0
        }
        guard let first = backlog.first else { return [] }
        return first.path == Report.results ? [first] : backlog.filter { $0.path == first.path }
    }

    /// Forgets what has been delivered or refused.
    mutating func settle(_ batch: [Report]) {
        let numbers = Set(batch.map(\.number))
        backlog.removeAll { numbers.contains($0.number) }
        size -= batch.reduce(0) { $0 + $1.text.utf8.count }
    }
}
