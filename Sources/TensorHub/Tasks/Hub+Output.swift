public import BSON
import MongoDriver

extension Hub {
    /// Bytes: the most that one chunk holds.
    package static let outputChunkSize = 256 * 1024

    /// How often a follower looks for more.
    static let followPoll: Duration = .milliseconds(300)

    /// Reads the output of a task from a place on, in order.
    ///
    /// - Parameters:
    ///   - attempt: That attempt alone; `nil` reads all.
    ///   - after: The last chunk that the caller has.
    ///   - limit: At most so many chunks of up to 256 KiB.
    public func readOutput(
        of id: ObjectID,
        attempt: Int? = nil,
        after: OutputChunk? = nil,
        limit: Int = 64
    ) async throws(HubError) -> [OutputChunk] {
        var filter: BSONDocument = ["task_id": .objectID(id)]
        if let attempt { filter.append("attempt", .init(smallest: attempt)) }
        if let after {
            filter.append(
                "$or",
                [
                    ["attempt": .init(smallest: after.attempt), "seq": ["$gt": .int64(after.seq)]],
                    ["attempt": ["$gt": .init(smallest: after.attempt)]],
                ]
            )
        }
        let options = FindOptions(sort: ["task_id": 1, "attempt": 1, "seq": 1], limit: limit)
        return try await translatingErrors { () async throws(MongoError) in
            var chunks: [OutputChunk] = []
            for chunk in try await output.findAll(filter, options).compactMap(OutputChunk.init) {
                // Stored twice, where the database has not got the unique index.
                if let last = chunks.last, last.attempt == chunk.attempt, last.seq == chunk.seq { continue }
                chunks.append(chunk)
            }
            return chunks
        }
    }

    /// Lends every chunk of a task's output, what is there and what still comes, until the task has ended.
    ///
    /// - Returns: The task as it ended, without script and files.
    /// - Throws: `HubError.notFound`, also when the task is deleted meanwhile; whatever `body` throws.
    public func followOutput(of id: ObjectID, _ body: (OutputChunk) throws -> Void) async throws -> TaskRecord {
        var last: OutputChunk?
        while true {
            // The state first: all output is stored before a task ends.
            guard let task = try await findTasks(.ids([id])).first else {
                throw HubError(.notFound, "no task \(id) in project '\(project)' of database '\(database.name)'")
            }
            while true {
                let chunks = try await readOutput(of: id, after: last, limit: 16)
                for chunk in chunks { try body(chunk) }
                guard let newest = chunks.last else { break }
                last = newest
            }
            if !task.status.isUnfinished { return task }
            try await Task.sleep(for: Self.followPoll)
        }
    }
}
