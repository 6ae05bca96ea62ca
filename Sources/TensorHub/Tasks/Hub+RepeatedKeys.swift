import BSON
import Logging
import MongoDriver

/// Tasks with a key twice are put aside, named in the log, and everything else goes on without them.
extension Hub {
    /// So many documents of the head of a queue are looked at for one with a key twice.
    private static let headLimit = 1000

    /// Runs a statement whose pipeline fails on tasks with a key twice. Where it does, those among its documents are
    /// put aside, and it runs again without them.
    ///
    /// - Parameters:
    ///   - queue: Where else such tasks are looked for, since the next statement would meet them; `nil` for `filter`
    ///     itself.
    ///   - sort: The order in which the statement meets them.
    ///   - status: The state in which they end; `nil` leaves them as they are.
    func leavingRepeated<Value>(
        _ filter: BSONDocument,
        of queue: BSONDocument? = nil,
        sort: BSONDocument? = nil,
        as status: TaskStatus? = .failed,
        _ statement: (BSONDocument) async throws(MongoError) -> Value
    ) async throws(MongoError) -> Value {
        do throws(MongoError) {
            return try await statement(filter)
        } catch {
            guard Self.isRepeatedKey(error.serverCode ?? error.writeErrors.first?.code) else { throw error }
            if let status { try await putAside(queue ?? filter, sort: sort, as: status) }
            return try await statement(Self.sound(filter))
        }
    }

    static func isRepeatedKey(_ code: Int?) -> Bool { code == TaskStatements.repeatedKeyCode }

    /// Only those of the documents that have each key once. Slower: the server looks into each.
    static func sound(_ filter: BSONDocument) -> BSONDocument {
        var filter = filter
        filter.append("$nor", [["$expr": TaskStatements.hasRepeatedKey]])
        return filter
    }

    /// Ends the tasks that match and have a key twice, with the reason. Returns how many.
    @discardableResult
    func putAside(
        _ filter: BSONDocument,
        sort: BSONDocument? = nil,
        as status: TaskStatus = .failed
    ) async throws(MongoError) -> Int {
        var head: [BSONDocument] = [["$match": .document(filter)]]
        if let sort { head.append(["$sort": .document(sort)]) }
        head += [
            ["$limit": .init(smallest: Self.headLimit)], ["$match": ["$expr": TaskStatements.hasRepeatedKey]],
            ["$unset": "script"],
        ]
        return try await putAside(tasks.aggregateAll(head).map(TaskRecord.init), of: filter, as: status)
    }

    /// - Parameter filter: What they must still match.
    func putAside(
        _ repeated: [TaskRecord],
        of filter: BSONDocument,
        as status: TaskStatus
    ) async throws(MongoError) -> Int {
        var count = 0
        for task in repeated {
            guard let id = task.document["_id"] else { continue }
            // The script has not come with it.
            let key = task.repeatedKey ?? "script"
            logger.warning(
                "A task has a key twice, which would end MongoDB; it is put aside",
                metadata: ["task.id": "\(id.objectIDValue?.description ?? "\(id)")", "key": "\(key)"]
            )
            let one: BSONDocument = ["$and": [["_id": id], .document(filter)]]
            do throws(MongoError) {
                let update = TaskStatements.putAside(status, repeatedKey: key)
                count += try await tasks.updateOne(one, .document(update)).matched
            } catch {
                if error.isRetryable { throw error }
                // There is no room for the reason, or `hub` is no document.
                count += try await tasks.updateOne(one, .document(["$set": ["status": .string(status.rawValue)]]))
                    .matched
            }
        }
        return count
    }
}
