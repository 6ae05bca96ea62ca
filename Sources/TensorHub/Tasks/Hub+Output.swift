public import BSON
import MongoDriver

/// A piece of what a script printed.
public struct OutputChunk: Sendable, Hashable {
    public var attempt: Int
    /// Counts the chunks of an attempt from 0.
    public var seq: Int64
    /// Where the piece stands in the whole output, in bytes. A gap to the end of the one before was left out by the
    /// output limit.
    public var offset: Int64
    /// Any bytes, as printed: NUL and invalid UTF-8 too.
    public var data: [UInt8]

    package init(attempt: Int, seq: Int64, offset: Int64, data: [UInt8]) {
        self.attempt = attempt
        self.seq = seq
        self.offset = offset
        self.data = data
    }

    init?(_ document: BSONDocument) {
        guard let attempt = document["attempt"]?.intValue, let seq = document["seq"]?.intValue,
            let offset = document["offset"]?.intValue, let data = document["data"]?.binaryValue
        else { return nil }
        self.init(attempt: attempt, seq: Int64(seq), offset: Int64(offset), data: data.bytes)
    }
}

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

    /// Stores chunks of output. Storing one again, after a lost reply, changes nothing.
    package func appendOutput(_ chunks: [(taskID: ObjectID, chunk: OutputChunk)]) async throws(HubError) {
        if chunks.isEmpty { return }
        try await translatingErrors { () async throws(MongoError) in
            let time = try await clock.now()
            let documents = chunks.map { id, chunk -> BSONDocument in
                [
                    "task_id": .objectID(id), "attempt": .init(smallest: chunk.attempt), "seq": .int64(chunk.seq),
                    "offset": .int64(chunk.offset), "time": .dateTime(time),
                    "data": .binary(BSONBinary(bytes: chunk.data)),
                ]
            }
            do throws(MongoError) {
                _ = try await output.insertMany(documents, ordered: false)
            } catch {
                guard error.code == .duplicateKey else { throw error }
            }
        }
    }

    /// Deletes the chunks of an attempt that begin at an offset or behind it, up to a chunk, which stays: what the
    /// output limit leaves out.
    package func dropOutput(of id: ObjectID, attempt: Int, from offset: Int64, before last: Int64)
        async throws(HubError)
    {
        _ = try await translatingErrors { () async throws(MongoError) in
            try await output.deleteMany([
                "task_id": .objectID(id), "attempt": .init(smallest: attempt),
                "seq": ["$lt": .int64(last)], "offset": ["$gte": .int64(offset)],
            ])
        }
    }
}
