import BSON
import TensorHub

extension APIResponder {
    /// Chunks of one answer, 256 KiB each.
    private static let mostChunks = 64

    /// What the script of a task printed, from a place on, and how far the task was before that was read: all output is
    /// stored before a task ends, so an ended task without a further chunk has none to come.
    @concurrent
    func taskOutput(_ request: APIRequest) async throws -> Answer {
        let id = try await taskID(request)
        let attempt = try request.integer("attempt", from: 1)
        let limit = try request.integer("limit", from: 1, to: Self.mostChunks) ?? 16
        let after = try request.chunk("after")
        let hub = hub
        let (task, chunks) = try await whileHeard {
            guard let task = try await hub.findTasks(.ids([id])).first else {
                throw APIError.notFound("no task \(id) in project '\(hub.project)'")
            }
            return (task, try await hub.readOutput(of: id, attempt: attempt, after: after, limit: limit))
        }
        return .json([
            "status": .string(task.status.rawValue), "attempt": BSONValue(smallest: task.attempt),
            "chunks": .array(chunks.map { .document($0.document) }),
        ])
    }
}

extension APIRequest {
    /// The place of a chunk, `ATTEMPT:SEQ`.
    fileprivate func chunk(_ name: String) throws(APIError) -> OutputChunk? {
        guard let text = query[name.bytes] else { return nil }
        let parts = text.bytes.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let attempt = Int(parts[0].text), let seq = Int64(parts[1].text) else {
            throw .invalid(name, "\(name) is '\(text)'; it must be ATTEMPT:SEQ, two whole numbers of the last chunk")
        }
        return OutputChunk(attempt: attempt, seq: seq, offset: 0, data: [])
    }
}

extension OutputChunk {
    fileprivate var document: BSONDocument {
        [
            "attempt": BSONValue(smallest: attempt), "seq": .int64(seq), "offset": .int64(offset),
            "data": .binary(BSONBinary(bytes: data)),
        ]
    }
}
