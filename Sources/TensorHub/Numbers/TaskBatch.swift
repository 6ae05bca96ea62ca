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

    /// How many numbers it needs, with those for the tasks to come.
    var size: Int { created.count + submission.left }

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

    /// Begins anew at another number, as a submit of its own: the old one may be known by a number of other tasks.
    ///
    /// - Returns: Those that are stored and have to be told; none where there are no numbers.
    mutating func renumber(from first: Int?) -> [CreatedTask] {
        submission = Submission(
            first: first,
            count: size,
            account: submission.account
        )
        for place in created.indices { created[place].number = submission.takeNumber() }
        for (index, place) in places.enumerated() {
            var hub = open[index]["hub"]?.documentValue ?? [:]
            for field in ["number", "submit", "account"] { hub[field] = nil }
            submission.stamp(&hub, number: created[place].number)
            open[index]["hub"] = .document(hub)
        }
        if first == nil { return [] }
        let open = Set(places)
        return created.indices.filter { !open.contains($0) }.map { created[$0] }
    }
}
