import BSON
import MongoDriver
package import TensorHub
import TestSupport

extension HistoryChecker {
    /// Reads the collections and the record as they are now.
    package init(_ expectations: [Expectation], hub: Hub, record: String) async throws {
        var output: [ObjectID: [OutputChunk]] = [:]
        let sorted = hub.output.find([:], .init(sort: ["task_id": 1, "attempt": 1, "seq": 1]))
        for try await document in sorted {
            guard let task = document["task_id"]?.objectIDValue, let attempt = document["attempt"]?.intValue,
                let seq = document["seq"]?.intValue, let offset = document["offset"]?.intValue,
                let data = document["data"]?.binaryValue
            else { continue }
            let chunk = OutputChunk(attempt: attempt, seq: Int64(seq), offset: Int64(offset), data: data.bytes)
            output[task, default: []].append(chunk)
        }
        self.init(
            expectations: expectations,
            tasks: try await hub.findTasks(),
            output: output,
            // There is none before the first script has begun.
            record: ScriptRecord(parsing: String(decoding: (try? readFile(record)) ?? [], as: UTF8.self))
        )
    }
}
