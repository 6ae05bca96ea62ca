package import BSON
import MongoDriver

/// What the script of an attempt prints.
extension RunnerSession {
    /// Stores chunks of output. Storing one again, after a lost reply, changes nothing.
    package func appendOutput(_ chunks: [OutputChunk], of task: ObjectID) async throws(HubError) {
        if chunks.isEmpty { return }
        try await translatingErrors { () async throws(MongoError) in
            let time = try await hub.clock.now()
            let documents = chunks.map { chunk -> BSONDocument in
                [
                    "task_id": .objectID(task), "attempt": .init(smallest: chunk.attempt), "seq": .int64(chunk.seq),
                    "offset": .int64(chunk.offset), "time": .dateTime(time),
                    "data": .binary(BSONBinary(bytes: chunk.data)),
                ]
            }
            do throws(MongoError) {
                _ = try await hub.output.insertMany(documents, ordered: false)
            } catch {
                guard error.code == .duplicateKey else { throw error }
            }
        }
    }

    /// Deletes the chunks of an attempt that begin at an offset or behind it, up to a chunk, which stays: what the
    /// output limit leaves out.
    package func dropOutput(of id: AttemptID, from offset: Int64, before last: Int64) async throws(HubError) {
        _ = try await translatingErrors { () async throws(MongoError) in
            try await hub.output.deleteMany([
                "task_id": .objectID(id.task), "attempt": .init(smallest: id.number),
                "seq": ["$lt": .int64(last)], "offset": ["$gte": .int64(offset)],
            ])
        }
    }

    /// How far the output of an attempt is stored: the number of the next chunk, and where it begins.
    package func storedOutput(of id: AttemptID) async throws(HubError) -> (seq: Int64, offset: Int64) {
        let filter: BSONDocument = ["task_id": .objectID(id.task), "attempt": .init(smallest: id.number)]
        let newest = try await translatingErrors { () async throws(MongoError) in
            try await hub.output.findOne(filter, FindOptions(sort: ["seq": -1]))
        }
        guard let newest, let seq = newest["seq"]?.intValue, let offset = newest["offset"]?.intValue else {
            return (0, 0)
        }
        return (Int64(seq) + 1, Int64(offset + (newest["data"]?.binaryValue?.bytes.count ?? 0)))
    }
}
