import BSON
import TensorHub

/// What an attempt says to the database, and asks of it. Each call is safe to repeat.
protocol AttemptStore: Sendable {
    func appendOutput(_ chunks: [OutputChunk], of task: ObjectID) async throws(HubError)
    func dropOutput(of id: AttemptID, from offset: Int64, before last: Int64) async throws(HubError)
    func storedOutput(of id: AttemptID) async throws(HubError) -> (seq: Int64, offset: Int64)

    func insertLogs(_ kind: LogKind, _ documents: [BSONDocument]) async throws(HubError)
    /// A data set or a model, as the record tells of it.
    func save(
        _ content: Content?,
        _ record: OutboxRecord,
        of id: AttemptID,
        uploader: ObjectID
    ) async throws(HubError)
    func dropUploads(of uploader: ObjectID) async throws(HubError)

    func storeCheckpoint(
        _ files: [SourceFile],
        of id: AttemptID,
        isDeclared: Bool,
        uploader: ObjectID?
    ) async throws(HubError) -> TaskCheckpoint
    func downloadCheckpoint(_ file: StoredFile, to path: String) async throws(HubError)
    func releaseCheckpoint(_ checkpoint: TaskCheckpoint) async throws(HubError)

    /// Whether a runner of another machine takes the task.
    func isServed(_ task: TaskRecord, besides hosts: [String]) async throws(HubError) -> Bool
    func pauseItself(_ reason: String) async throws(HubError)

    func deliver(_ ends: [AttemptEnd]) async throws(HubError) -> [AttemptEnd.Outcome]
    func putAsideRepeated(_ ends: [AttemptEnd]) async throws(HubError)
}

extension RunnerSession: AttemptStore {
    func insertLogs(_ kind: LogKind, _ documents: [BSONDocument]) async throws(HubError) {
        try await hub.insertLogs(kind, documents)
    }

    func save(
        _ content: Content?,
        _ record: OutboxRecord,
        of id: AttemptID,
        uploader: ObjectID
    ) async throws(HubError) {
        let payload = record.payload
        let document = payload["id"]?.objectIDValue ?? ObjectID()
        let name = payload["name"]?.stringValue ?? ""
        let tags = payload["tags"]?.documentValue ?? [:]
        if record.kind == .model {
            try await hub.saveModel(
                content,
                name: name,
                architecture: payload["architecture"]?.documentValue ?? [:],
                tags: tags,
                id: document,
                lineage: Lineage(
                    origin: id,
                    dataSets: (payload["data_sets"]?.arrayValue ?? []).compactMap {
                        $0.documentValue.flatMap(Lineage.DataSet.init)
                    }
                ),
                uploader: uploader
            )
        } else if let content {
            try await hub.saveDataSet(content, name: name, tags: tags, id: document, origin: id, uploader: uploader)
        }
    }

    func dropUploads(of uploader: ObjectID) async throws(HubError) { try await hub.dropUploads(of: uploader) }

    /// Through no link: scripts may have made them.
    func downloadCheckpoint(_ file: StoredFile, to path: String) async throws(HubError) {
        try await hub.downloadBlob(file.blob, in: .checkpoints, to: path, followingLinks: false)
    }

    func releaseCheckpoint(_ checkpoint: TaskCheckpoint) async throws(HubError) {
        try await hub.releaseCheckpoint(checkpoint)
    }
}
