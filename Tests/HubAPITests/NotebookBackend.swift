import BSON
import Glibc
import Synchronization
import TensorHub

@testable import HubAPI

/// The backend of an attempt that writes what it is told into memory: what the routes make of requests is seen in it.
/// That of the runner has its own tests.
final class NotebookBackend: ScriptBackend, ScriptAttempt {
    struct Saved: Sendable {
        var name: String
        var paths: [String]
        var bytes: [[UInt8]]
        var tags: BSONDocument
        var architecture: BSONDocument
        var id: ObjectID
    }

    struct State {
        var logs: [LogKind: [BSONDocument]] = [:]
        var results: [BSONDocument] = []
        var progress: [ScriptProgress] = []
        var checkpoints = 0
        var saved: [Saved] = []
        /// The data sets that it was asked to bring here.
        var fetched: [String] = []
        var control = ScriptControl()
        var refusal: HubError?
        /// Whether a checkpoint, or what has saved logs, takes until its request is cancelled.
        var isSlow = false
        /// How many requests wait in `control`, `saveLogs` or `storeCheckpoint`.
        var waiting = 0
    }

    let hub: Hub
    var attempt: (any ScriptAttempt)? { self }
    let id = AttemptID(task: ObjectID(), number: 2)
    let spoolFolder: String
    let state = Mutex(State())

    init(_ hub: Hub, spoolFolder: String) {
        self.hub = hub
        self.spoolFolder = spoolFolder
    }

    private func refuse() throws(HubError) {
        if let refusal = state.withLock({ $0.refusal }) { throw refusal }
    }

    func task() async throws(HubError) -> BSONDocument { ["status": "running", "hyper_parameters": ["lr": 0.1]] }

    func saveLogs(_ kind: LogKind, _ values: [BSONDocument]) async throws(HubError) {
        try refuse()
        state.withLock { $0.logs[kind, default: []] += values }
        await waitWhereSlow()
    }

    func mergeResults(_ results: BSONDocument) async throws(HubError) { state.withLock { $0.results.append(results) } }

    func report(_ progress: ScriptProgress) async throws(HubError) { state.withLock { $0.progress.append(progress) } }

    func control(waiting: Duration) async -> ScriptControl {
        if waiting > .zero {
            state.withLock { $0.waiting += 1 }
            try? await Task.sleep(for: waiting)
            state.withLock { $0.waiting -= 1 }
        }
        return state.withLock { $0.control }
    }

    func storeCheckpoint() async throws(HubError) {
        await waitWhereSlow()
        state.withLock { $0.checkpoints += 1 }
    }

    private func waitWhereSlow() async {
        guard state.withLock({ $0.isSlow }) else { return }
        state.withLock { $0.waiting += 1 }
        try? await Task.sleep(for: .seconds(3600))
        state.withLock { $0.waiting -= 1 }
    }

    func saveDataSet(
        _ content: Content,
        name: String,
        tags: BSONDocument,
        id: ObjectID
    ) async throws(HubError) -> BSONDocument {
        try take(content, name, tags, [:], id)
    }

    func saveModel(
        _ parameters: Content?,
        name: String,
        architecture: BSONDocument,
        tags: BSONDocument,
        id: ObjectID
    ) async throws(HubError) -> BSONDocument {
        try take(parameters, name, tags, architecture, id)
    }

    private func take(
        _ content: Content?,
        _ name: String,
        _ tags: BSONDocument,
        _ architecture: BSONDocument,
        _ id: ObjectID
    ) throws(HubError) -> BSONDocument {
        try refuse()
        var saved = Saved(name: name, paths: [], bytes: [], tags: tags, architecture: architecture, id: id)
        for file in content?.files ?? [] {
            guard case .file(let path) = file.source else { continue }
            var bytes: [UInt8] = []
            if let stream = fopen(path, "re") {
                var chunk = [UInt8](repeating: 0, count: 65_536)
                while case let count = fread(&chunk, 1, chunk.count, stream), count > 0 { bytes += chunk[..<count] }
                fclose(stream)
            }
            saved.paths.append(file.path)
            saved.bytes.append(bytes)
            unlink(path)
        }
        let kept = saved
        state.withLock { $0.saved.append(kept) }
        return ["_id": .objectID(id), "dataset_name": .string(name)]
    }

    func fetch(_ dataSet: DataSetRecord, shard: Shard?) async throws(HubError) -> LocalContent {
        state.withLock { $0.fetched.append(dataSet.name ?? "-") }
        let files = try shard.map { (shard) throws(HubError) in try shard.files(of: dataSet.files) } ?? dataSet.files
        let folder = "\(spoolFolder).fetched"
        let cache = ContentCache(folder: "\(folder)/cache", limit: 1 << 20)
        return try await cache.fetch(files, in: .dataSets, of: hub, to: "\(folder)/\(ObjectID())")
    }

    func fetch(_ model: ModelRecord) async throws(HubError) -> LocalContent {
        throw HubError(.notFound, "a notebook has no files")
    }
}
