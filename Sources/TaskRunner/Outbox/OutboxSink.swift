import BSON
import Files
import Glibc
import MongoDriver
import TensorHub
import Threads

/// Where the records of an attempt go, and the files that belong to them: `journal/kept/<identifier>/0, 1, ...`, put
/// there before the record is written and removed after it is delivered.
struct OutboxSink: Sendable {
    let store: any AttemptStore
    let id: AttemptID
    /// Of the attempt: whose uploads they are.
    let token: ObjectID
    let directory: AttemptDirectory
    let pool: TurnThreads

    /// Returns the checkpoint that the task has now, where it was one.
    func deliver(_ record: OutboxRecord) async throws(HubError) -> TaskCheckpoint? {
        let payload = record.payload
        switch record.kind {
        case .trainingLog, .validationLog, .testingLog:
            guard let kind = record.kind.log else { return nil }
            try await store.insertLogs(kind, [payload])
        case .dataSet, .model: try await store.save(content(payload), record, of: id, uploader: token)
        case .checkpoint:
            return try await store.storeCheckpoint(
                files(payload),
                of: id,
                isDeclared: payload["declared"]?.boolValue ?? false,
                uploader: token
            )
        }
        return nil
    }

    /// The files of a record that is delivered.
    func discardFiles(of record: OutboxRecord) async {
        guard let folder = Self.folder(record.payload), folder != AttemptDirectory.checkpointName else { return }
        // Left-overs go with the directory.
        try? await pool.runIfActive { directory.removeKeptFolder(folder) }
    }

    /// Gives us our rights to the files of a record back, where the script has taken them away.
    ///
    /// - Returns: Whether it had.
    func restoreRights(of record: OutboxRecord) async -> Bool {
        let paths = files(record.payload).compactMap { if case .file(let path) = $0.source { path } else { nil } }
        let restored = try? await pool.runIfActive {
            paths.filter { GuardedPath.restoreRights($0, below: directory.state.path) }.count
        }
        guard let restored, restored > 0 else { return false }
        directory.state.restored?.note()
        return true
    }

    /// The name of a folder below `kept`, or of the checkpoint folder: one part of a path, whatever a script has
    /// written into its outbox itself.
    private static func folder(_ payload: BSONDocument) -> String? {
        guard let folder = payload["folder"]?.stringValue, StoredFile.isRelative(folder), !folder.utf8.contains(0x2F)
        else { return nil }
        return folder
    }

    /// The payload that `content` becomes once its files are in the folder of that name below `kept`.
    static func payload(of content: Content, folder: String) -> BSONDocument {
        var payload: BSONDocument = ["kind": .string(content.kind.rawValue), "folder": .string(folder)]
        if let form = content.form { payload.append("form", .string(form)) }
        payload.append("files", files(content.files))
        return payload
    }

    static func files(_ files: [SourceFile]) -> BSONValue {
        .array(
            files.map { file in
                var document: BSONDocument = ["path": .string(file.path), "mode": .int32(file.mode)]
                if let hash = file.sha256 { document.append("sha256", .string(hash)) }
                return .document(document)
            }
        )
    }

    private func content(_ payload: BSONDocument) -> Content? {
        guard let kind = payload["kind"]?.stringValue.flatMap(Content.Kind.init) else { return nil }
        return Content(kind: kind, files: files(payload), form: payload["form"]?.stringValue)
    }

    private func files(_ payload: BSONDocument) -> [SourceFile] {
        guard let folder = Self.folder(payload) else { return [] }
        // A checkpoint lies as the script left it, anything else under numbers.
        let isPlain = folder != AttemptDirectory.checkpointName
        let root = isPlain ? "\(directory.keptPath)/\(folder)" : directory.checkpointPath
        return (payload["files"]?.arrayValue ?? []).enumerated().compactMap { index, value in
            guard let file = value.documentValue, let path = file["path"]?.stringValue, StoredFile.isRelative(path)
            else { return nil }
            return SourceFile(
                path: path,
                mode: file["mode"]?.intValue.flatMap { Int32(exactly: $0) } ?? 0o644,
                source: .file(isPlain ? "\(root)/\(index)" : "\(root)/\(path)"),
                sha256: file["sha256"]?.stringValue
            )
        }
    }
}

extension Lineage.DataSet {
    init?(_ document: BSONDocument) {
        guard let id = document["id"]?.objectIDValue else { return nil }
        self.init(
            id: id,
            name: document["name"]?.stringValue ?? "",
            version: document["version"]?.intValue,
            sha256: document["sha256"]?.stringValue
        )
    }

    var document: BSONDocument {
        var document: BSONDocument = ["id": .objectID(id), "name": .string(name)]
        if let version { document.append("version", .init(smallest: version)) }
        if let sha256 { document.append("sha256", .string(sha256)) }
        return document
    }
}
