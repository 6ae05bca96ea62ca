import BSON
import Logging
import MongoDriver

/// Numbers of tasks: unique in the database, ascending, and short enough to be typed.
extension Hub {
    /// Collection `Counter`. A number that a change of the primary takes back was given to no task that it left, since
    /// tasks are written later; so nobody waits for the majority here.
    private var counters: MongoCollection {
        var collection = database.collection("Counter").idempotent
        collection.writeConcern = WriteConcern(.members(1))
        collection.readsFromPrimary = true
        return collection
    }

    /// What the counter of tasks is found by.
    private static let taskCounter: BSONDocument = ["_id": "task"]

    /// Above this nothing counts: every program reads numbers up to here as they are.
    static let largestNumber = 1 << 53

    /// Reserves so many numbers in a row, by one statement at most.
    ///
    /// - Returns: The first; `nil` where the user may not count. Tasks have no number then, and the log says so once.
    func reserveNumbers(_ count: Int) async throws(MongoError) -> Int? {
        let now = ContinuousClock.now
        if numbers.isRefused(at: now) { return nil }
        if let first = numbers.take(count, at: now) { return first }
        let size = numbers.block(for: count, at: now)
        var last: Int
        do {
            last = try await setCounter(["$add": [Self.counted, .int64(Int64(size))]])
        } catch {
            guard error.code == .forbidden else { throw error }
            if numbers.refuse(at: now) {
                logger.warning(
                    "Tasks get no numbers: \(error.message); grant find, insert and update on collection Counter",
                    metadata: ["collection": "Counter"]
                )
            }
            return nil
        }
        // The counter is new. Where it was lost there are tasks with numbers, and those to come are above them.
        if last <= size, try await raiseNumbers() > 0 {
            last = try await setCounter(["$add": [Self.counted, .int64(Int64(size))]])
        }
        let first = last - size + 1
        guard first >= 1, first <= Self.largestNumber - size else { return nil }
        numbers.keep(first..<(last + 1), using: count, at: now)
        return first
    }

    /// After the counter was lost, or restored from a backup that is older than the tasks: raises it over the highest
    /// number that any task has.
    ///
    /// - Returns: That number; 0 where none has one.
    @discardableResult
    func raiseNumbers() async throws(MongoError) -> Int {
        numbers.drop()
        let filter: BSONDocument = ["hub.number": ["$gte": 1, "$lte": .int64(Int64(Self.largestNumber))]]
        let options = FindOptions(sort: ["hub.number": -1], projection: ["hub.number": 1])
        let found = try await tasks.findOne(filter, options)?.value(atPath: "hub.number")?.doubleValue ?? 0
        // Another program's may be no whole number.
        let highest = Int(found.rounded(.up))
        if highest == 0 { return 0 }
        _ = try await setCounter(["$max": [Self.counted, .int64(Int64(highest))]])
        logger.notice("The counter of tasks was behind their numbers; it is raised")
        return highest
    }

    /// Whether another task than these has one of the numbers.
    func isTaken(_ numbers: ClosedRange<Int>) async throws(MongoError) -> Bool {
        let filter: BSONDocument = ["hub.number": Self.within(numbers)]
        return try await tasks.findOne(filter, FindOptions(projection: ["_id": 1])) != nil
    }

    static func within(_ numbers: ClosedRange<Int>) -> BSONValue {
        if numbers.count == 1 { return .int64(Int64(numbers.lowerBound)) }
        return ["$gte": .int64(Int64(numbers.lowerBound)), "$lte": .int64(Int64(numbers.upperBound))]
    }

    /// Sets the counter to what an expression says, and returns that.
    private func setCounter(_ value: BSONValue) async throws(MongoError) -> Int {
        func set() async throws(MongoError) -> BSONDocument? {
            try await counters.findAndModify(
                Self.taskCounter,
                .pipeline([["$set": ["value": value]]]),
                upsert: true
            )
        }
        let document: BSONDocument?
        do {
            document = try await set()
        } catch {
            // Two have made it at once.
            guard error.code == .duplicateKey || error.serverCode == Self.duplicateKey else { throw error }
            document = try await set()
        }
        return document?["value"]?.intValue ?? 0
    }

    /// The counter as it is; 0 where there is none, or anything else in its place.
    private static let counted: BSONValue = [
        "$max": [
            0, ["$convert": ["input": "$value", "to": "long", "onError": .int64(0), "onNull": .int64(0)]],
        ]
    ]
}
