import BSON
import Synchronization
import TensorHub
import Testing

@testable import TaskRunner

/// What attempts have said, in place of a database.
final class MemoryStore: AttemptStore {
    struct Contents: Sendable {
        var output: [OutputChunk] = []
        var logs: [BSONDocument] = []
        var checkpoints: [TaskCheckpoint] = []
        var released: [TaskCheckpoint] = []
        var ends: [AttemptEnd] = []
        /// What becomes of the next ends; then they are accepted.
        var outcomes: [AttemptEnd.Outcome] = []
        /// How many of the next calls nobody answers.
        var missing = 0
        /// Whether another machine takes the task.
        var isServed = false
        /// Why the runner has paused itself.
        var pauses: [String] = []
    }

    private let contents: Mutex<Contents>

    init(_ contents: Contents = Contents()) { self.contents = Mutex(contents) }

    var now: Contents { contents.withLock(\.self) }
    var text: String { String(decoding: now.output.flatMap(\.data), as: UTF8.self) }

    private func change<Value: Sendable>(
        _ change: (inout sending Contents) -> sending Value
    ) throws(HubError) -> Value {
        let value: Value? = contents.withLock { contents in
            if contents.missing > 0 {
                contents.missing -= 1
                return nil
            }
            return change(&contents)
        }
        guard let value else { throw HubError(.unreachable, "nobody answers") }
        return value
    }

    func appendOutput(_ chunks: [OutputChunk], of task: ObjectID) async throws(HubError) {
        try change { $0.output += chunks }
    }

    func dropOutput(of id: AttemptID, from offset: Int64, before last: Int64) async throws(HubError) {
        try change { $0.output.removeAll { $0.offset >= offset && $0.seq < last } }
    }

    func storedOutput(of id: AttemptID) async throws(HubError) -> (seq: Int64, offset: Int64) {
        try change { contents in
            contents.output.last.map { ($0.seq + 1, $0.offset + Int64($0.data.count)) } ?? (0, 0)
        }
    }

    func insertLogs(_ kind: LogKind, _ documents: [BSONDocument]) async throws(HubError) {
        try change { $0.logs += documents }
    }

    func save(
        _ content: Content?,
        _ record: OutboxRecord,
        of id: AttemptID,
        uploader: ObjectID
    ) async throws(HubError) { Issue.record("\(record.kind): the bytes of contents are not kept here") }

    func dropUploads(of uploader: ObjectID) async throws(HubError) {}

    func storeCheckpoint(
        _ files: [SourceFile],
        of id: AttemptID,
        isDeclared: Bool,
        uploader: ObjectID?
    ) async throws(HubError) -> TaskCheckpoint {
        try change { contents in
            let checkpoint = TaskCheckpoint(
                attempt: id.number,
                isDeclared: isDeclared,
                files: files.map { file in
                    let blob = Blob(id: ObjectID(), length: 0, sha256: "")
                    return StoredFile(path: file.path, mode: file.mode, blob: blob)
                }
            )
            contents.checkpoints.append(checkpoint)
            return checkpoint
        }
    }

    func downloadCheckpoint(_ file: StoredFile, to path: String) async throws(HubError) {
        Issue.record("the bytes of checkpoints are not kept here")
    }

    func releaseCheckpoint(_ checkpoint: TaskCheckpoint) async throws(HubError) {
        try change { $0.released.append(checkpoint) }
    }

    func isServed(_ task: TaskRecord, besides hosts: [String]) async throws(HubError) -> Bool {
        try change { $0.isServed }
    }

    func pauseItself(_ reason: String) async throws(HubError) {
        try change { $0.pauses.append(reason) }
    }

    func deliver(_ ends: [AttemptEnd]) async throws(HubError) -> [AttemptEnd.Outcome] {
        try change { contents in
            contents.ends += ends
            return ends.map { _ in contents.outcomes.isEmpty ? .accepted : contents.outcomes.removeFirst() }
        }
    }

    func putAsideRepeated(_ ends: [AttemptEnd]) async throws(HubError) {}
}
