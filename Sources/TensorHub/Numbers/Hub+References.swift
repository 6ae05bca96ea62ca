public import BSON
import MongoDriver

/// From what people call tasks by to the tasks: the one place where that is looked up.
extension Hub {
    /// The tasks of this project that are meant, by one statement for all numbers and one or two for each submit.
    ///
    /// - Parameter account: Whose submits `@last` is about.
    /// - Throws: `HubError.notFound` for a number that no task has, a range or a submit without any, and a task of
    ///   another project, which is named. Identifiers are not looked up.
    public func tasks(meant references: [TaskReference], by account: String? = nil) async throws(HubError) -> MeantTasks
    {
        var meant = MeantTasks()
        var ranges: [ClosedRange<Int>] = []
        var conditions: [BSONValue] = []
        for reference in references {
            switch reference {
            case .id(let id): meant.selection.ids.append(id)
            case .numbers(let numbers): ranges.append(numbers)
            case .latest(let back):
                let submit = try await submit(back, by: account, as: reference)
                conditions.append(.document(submit.filter))
                meant.meanings.append(submit.meaning)
            case .latestFailed:
                let submit = try await submit(0, by: account, as: reference)
                conditions.append(["$and": [.document(submit.filter), ["status": "failed"]]])
                meant.meanings.append(submit.meaning)
            }
        }
        let found = try await numbered(ranges)
        for numbers in ranges {
            let within = found.within(numbers)
            meant.selection.ids += within.map(\.id)
            guard numbers.count > 1, let first = within.first?.number, let last = within.last?.number else { continue }
            let reference = TaskReference.numbers(numbers)
            meant.meanings.append(.init(reference: reference, numbers: first...last, count: within.count))
        }
        if conditions.isEmpty { return meant }
        if !meant.selection.ids.isEmpty {
            conditions.append(["_id": ["$in": .array(meant.selection.ids.map(BSONValue.objectID))]])
            meant.selection.ids = []
        }
        meant.selection.filter = Filter(["$or": .array(conditions)])
        return meant
    }

    /// The one task that is meant.
    ///
    /// - Throws: As ``tasks(meant:by:)``, and `HubError.invalidInput` where several are meant.
    public func task(meant reference: TaskReference, by account: String? = nil) async throws(HubError) -> ObjectID {
        if case .id(let id) = reference { return id }
        let meant = try await tasks(meant: [reference], by: account)
        let found = try await findTasks(meant.selection, sort: .oldest, limit: 2, projection: ["_id": 1])
        let ids = found.compactMap(\.id)
        if ids.count == 1 { return ids[0] }
        if ids.isEmpty { throw HubError(.notFound, "no task of project '\(project)' is \(reference) any more") }
        let numbers = meant.meanings.first.map { ", \(TaskReference.text($0.numbers))" } ?? ""
        throw .invalid("id", "id: '\(reference)' are several tasks\(numbers); give one of them")
    }

    /// A task by its number.
    ///
    /// - Throws: `HubError.notFound`; of a task of another project it names that.
    public func task(number: Int) async throws(HubError) -> TaskRecord {
        try await task(try await task(meant: .numbers(number...number)))
    }

    /// Submits of a caller whose account is not known are nobody's.
    private func submit(_ back: Int, by account: String?, as reference: TaskReference) async throws(HubError)
        -> (filter: BSONDocument, meaning: MeantTasks.Meaning)
    {
        guard let account else {
            throw .invalid("id", "id: \(reference) needs to know who asks, and this account has no name; give a number")
        }
        var below = Self.largestNumber + 1
        for step in 0...back {
            let filter: BSONDocument = [
                "project_name": .string(project), "hub.account": .string(account),
                "hub.number": ["$gte": 1, "$lt": .int64(Int64(below))],
            ]
            let options = FindOptions(
                sort: ["hub.number": -1],
                projection: ["hub.number": 1, "hub.submit": 1, "time": 1]
            )
            let found = try await translatingErrors { () async throws(MongoError) in
                try await tasks.findOne(filter, options).map(TaskRecord.init)
            }
            guard let last = found, let number = last.number else {
                let fewer = step == 0 ? "no task" : "only \(step == 1 ? "one submit" : "\(step) submits")"
                throw HubError(
                    .notFound,
                    "\(reference): \(account) has \(fewer) in project '\(project)' of database '\(database.name)'"
                )
            }
            let first = min(last.submit ?? number, number)
            below = first
            if step < back { continue }
            let all: BSONDocument = ["hub.number": Self.within(first...number), "hub.submit": .int64(Int64(first))]
            return (all, .init(reference: reference, numbers: first...number, time: last.time))
        }
        throw .invalid("id", "id: \(reference) is before every submit")
    }

    private func numbered(_ ranges: [ClosedRange<Int>]) async throws(HubError) -> NumberedTasks {
        if ranges.isEmpty { return NumberedTasks() }
        let single = ranges.filter { $0.count == 1 }.map { BSONValue.int64(Int64($0.lowerBound)) }
        var branches: [BSONValue] = single.isEmpty ? [] : [["hub.number": ["$in": .array(single)]]]
        branches += ranges.filter { $0.count > 1 }.map { ["hub.number": Self.within($0)] }
        let filter: BSONDocument = branches.count == 1 ? branches[0].documentValue ?? [:] : ["$or": .array(branches)]
        // Of all projects: a number of another one is told.
        let options = FindOptions(projection: ["hub.number": 1, "project_name": 1])
        let documents = try await translatingErrors { () async throws(MongoError) in
            try await tasks.findAll(filter, options)
        }
        let found = NumberedTasks(documents.map(TaskRecord.init), project: project)
        for numbers in ranges where found.within(numbers).isEmpty {
            let isOne = numbers.count == 1
            let what = (isOne ? "task " : "tasks ") + TaskReference.text(numbers)
            if let other = found.projects(numbers).first {
                throw HubError(
                    .notFound,
                    "\(what) \(isOne ? "is" : "are") of project '\(other)', not of '\(project)'; give that project"
                )
            }
            throw HubError(
                .notFound,
                "there \(isOne ? "is" : "are") no \(what) in project '\(project)' of database '\(database.name)'"
            )
        }
        return found
    }
}

/// Tasks that were found by their numbers.
private struct NumberedTasks {
    struct Entry {
        var number: Int
        var id: ObjectID
    }

    /// Of the project, in the order of their numbers.
    private var own: [Entry] = []
    private var others: [(number: Int, project: String)] = []

    init() {}

    init(_ tasks: [TaskRecord], project: String) {
        for task in tasks {
            guard let number = task.number else { continue }
            if task.project?.bytes == project.bytes {
                if let id = task.id { own.append(Entry(number: number, id: id)) }
            } else {
                others.append((number, task.project ?? ""))
            }
        }
        own.sort { ($0.number, $0.id) < ($1.number, $1.id) }
    }

    func within(_ numbers: ClosedRange<Int>) -> ArraySlice<Entry> {
        let start = own.firstPlace { $0.number >= numbers.lowerBound }
        return own[start...].prefix { $0.number <= numbers.upperBound }
    }

    func projects(_ numbers: ClosedRange<Int>) -> [String] {
        others.filter { numbers.contains($0.number) }.map(\.project)
    }
}

extension Array {
    /// The index of the first element that is behind, where all that are so come last.
    fileprivate func firstPlace(_ isBehind: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if isBehind(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
