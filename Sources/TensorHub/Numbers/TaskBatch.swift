import BSON

/// Documents of tasks on their way into the database, with their numbers.
struct TaskBatch {
    private(set) var submission: Submission
    private(set) var created: [CreatedTask] = []
    /// Those that are not known to be stored: the last of `created`, but for those that were found stored meanwhile.
    private(set) var open: [BSONDocument] = []
    /// The place in `created` of each that is open.
    private var places: [Int] = []

    init(_ submission: Submission) { self.submission = submission }

    mutating func reserveCapacity(_ count: Int) {
        created.reserveCapacity(count)
        open.reserveCapacity(count)
        places.reserveCapacity(count)
    }

    mutating func add(_ spec: TaskSpec, hub: BSONDocument, project: String, time: BSONDateTime) throws(HubError) {
        let task = CreatedTask(id: ObjectID(), number: submission.takeNumber())
        var hub = hub
        submission.stamp(&hub, number: task.number)
        open.append(try spec.document(id: task.id, project: project, time: time, hub: hub))
        places.append(created.count)
        created.append(task)
    }

    /// Takes away what is stored.
    mutating func close(_ isStored: (BSONValue) -> Bool) {
        let kept = open.indices.filter { open[$0]["_id"].map(isStored) != true }
        open = kept.map { open[$0] }
        places = kept.map { places[$0] }
    }

    /// The numbers of those that are open, and perhaps of some between them.
    var openNumbers: ClosedRange<Int>? {
        let numbers = places.compactMap { created[$0].number }
        guard let first = numbers.first, let last = numbers.last else { return nil }
        return first...last
    }

    /// Gives those that are open other numbers, and goes on behind them.
    mutating func renumber(from first: Int?) {
        submission.goOn(at: first, isFirst: created.first?.number == submission.id && places.first == 0)
        for (index, place) in places.enumerated() {
            let number = submission.takeNumber()
            created[place].number = number
            var hub = open[index]["hub"]?.documentValue ?? [:]
            for field in ["number", "submit", "account"] { hub[field] = nil }
            submission.stamp(&hub, number: number)
            open[index]["hub"] = .document(hub)
        }
    }
}
