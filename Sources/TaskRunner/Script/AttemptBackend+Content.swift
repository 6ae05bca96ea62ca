import BSON
import Files
import Glibc
import Synchronization
import TensorHub

/// Data sets and models. Their files stay on this machine until MongoDB has them.
extension AttemptBackend {
    func saveDataSet(
        _ content: Content,
        name: String,
        tags: BSONDocument,
        id: ObjectID
    ) async throws(HubError) -> BSONDocument {
        try Hub.checkDataSet(content, name: name, tags: tags)
        var (payload, isFirst) = try await keep(content, folder: "\(id)")
        payload.append("id", .objectID(id))
        payload.append("name", .string(name))
        payload.append("tags", .document(tags))
        try await journal(OutboxRecord(kind: .dataSet, payload: payload), folder: isFirst ? "\(id)" : nil)
        return document(
            id,
            tags,
            ["dataset_name": .string(name)],
            hub: description(of: content, ["kind": .string(content.kind.rawValue)])
        )
    }

    func saveModel(
        _ parameters: Content?,
        name: String,
        architecture: BSONDocument,
        tags: BSONDocument,
        id: ObjectID
    ) async throws(HubError) -> BSONDocument {
        try Hub.checkModel(parameters, name: name, architecture: architecture, tags: tags)
        let sources = try await onDisk { try $0.fetchedDataSets() }
        var (payload, isFirst): (BSONDocument, Bool) = ([:], false)
        if let parameters { (payload, isFirst) = try await keep(parameters, folder: "\(id)") }
        payload.append("id", .objectID(id))
        payload.append("name", .string(name))
        payload.append("architecture", .document(architecture))
        payload.append("tags", .document(tags))
        payload.append("data_sets", .array(sources.map(BSONValue.document)))
        try await journal(OutboxRecord(kind: .model, payload: payload), folder: isFirst ? "\(id)" : nil)
        var hub: BSONDocument = [:]
        if let parameters { hub = description(of: parameters, ["kind": .string(parameters.kind.rawValue)]) }
        hub.append("data_sets", .array(sources.map(BSONValue.document)))
        return document(
            id,
            tags,
            ["model_name": .string(name), "architecture": .document(architecture)],
            hub: hub
        )
    }

    private func description(of content: Content, _ start: BSONDocument) -> BSONDocument {
        var hub = start
        if let form = content.form { hub.append("form", .string(form)) }
        return hub
    }

    /// What the document will be. Its version and its files are known once it is in MongoDB.
    private func document(
        _ id: ObjectID,
        _ tags: BSONDocument,
        _ names: BSONDocument,
        hub: BSONDocument
    ) -> BSONDocument {
        var document: BSONDocument = ["_id": .objectID(id)]
        for (key, value) in tags { document.append(key, value) }
        document.append("project_name", .string(self.hub.project))
        for (key, value) in names { document.append(key, value) }
        document.append("time", .dateTime(self.hub.estimatedTime()))
        var hub = hub
        for (key, value) in self.id.document { hub.append(key, value) }
        document.append("hub", .document(hub))
        return document
    }

    /// - Parameter folder: The folder that this call has put in place.
    private func journal(_ record: OutboxRecord, folder: String?) async throws(HubError) {
        do throws(HubError) {
            try await delivery.append([record], isSynced: true)
        } catch {
            if let folder { try? await onDisk { try self.takeBack(folder, $0) } }
            throw error
        }
    }

    /// Moves the files of a content to where they stay until they are delivered. They come under the name of `folder`
    /// when all are there, so what an earlier runner left half-done is not taken for whole.
    ///
    /// - Returns: The record's part about them, and whether this call has put them in place: where the same is saved
    ///   once more, after an answer that did not arrive, the first one counts, and so do its files.
    private func keep(
        _ content: Content,
        folder: String
    ) async throws(HubError) -> (payload: BSONDocument, isFirst: Bool) {
        let payload = OutboxSink.payload(of: content, folder: folder)
        if try await onDisk({ self.isKept(folder, $0) }) { return (payload, false) }
        let partial = ".\(folder).\(partials.wrappingAdd(1, ordering: .relaxed).newValue)"
        try await onDisk { try $0.makePartialFolder(partial) }
        do throws(HubError) {
            for (index, file) in content.files.enumerated() {
                let path = "\(directory.keptPath)/\(partial)/\(index)"
                switch file.source {
                case .file(let source):
                    try await inBulk { try LocalFile.move(source, to: path, in: $0.state) }
                case .bytes(let bytes):
                    try await inBulk { try LocalFile.write(bytes, to: path, in: $0.state, isSynced: true) }
                case .stream(let stream):
                    try await write(stream, to: path)
                }
            }
            let sync = delivery.outbox.sync
            let isFirst = try await onDisk { directory in
                try directory.state.open("\(directory.keptPath)/\(partial)").sync(sync)
                let isFirst = try self.put(partial, as: folder, directory)
                try directory.syncKept(sync)
                return isFirst
            }
            if !isFirst { try await onDisk { $0.removeKeptFolder(partial) } }
            return (payload, isFirst)
        } catch {
            try? await onDisk { $0.removeKeptFolder(partial) }
            throw error
        }
    }

    // The three block. The lock is held over the disk, so that no call takes a folder away that another one counts on.

    private func isKept(_ folder: String, _ directory: AttemptDirectory) -> Bool {
        keptUses.withLock { uses in
            guard directory.hasKeptFolder(folder) else { return false }
            uses[folder.bytes, default: 0] += 1
            return true
        }
    }

    private func put(_ partial: String, as folder: String, _ directory: AttemptDirectory) throws -> Bool {
        try keptUses.withLock { uses in
            let isFirst = try directory.putKeptFolder(partial, as: folder)
            uses[folder.bytes] = isFirst ? 1 : uses[folder.bytes, default: 0] + 1
            return isFirst
        }
    }

    private func takeBack(_ folder: String, _ directory: AttemptDirectory) throws {
        keptUses.withLock { uses in
            guard uses[folder.bytes] == 1 else { return }
            uses[folder.bytes] = nil
            directory.removeKeptFolder(folder)
        }
    }

    private func write(_ stream: AsyncThrowingStream<[UInt8], any Error>, to path: String) async throws(HubError) {
        try await onDisk { try LocalFile.write([], to: path, in: $0.state) }
        do {
            for try await bytes in stream { try await onDisk { try LocalFile.append(bytes, to: path, in: $0.state) } }
        } catch let error as HubError {
            throw error
        } catch {
            throw HubError(.invalidInput, "the bytes broke off: \(error)", underlying: error)
        }
        try await inBulk { try LocalFile.sync(path, in: $0.state) }
    }

    // MARK: Reading

    /// What an attempt has fetched.
    struct Fetched: Sendable {
        var contents: [ByteString: LocalContent] = [:]
        /// Folders that are taken, or about to be.
        var folders: Set<ByteString> = []
    }

    func fetch(_ dataSet: DataSetRecord, shard: Shard?) async throws(HubError) -> LocalContent {
        let files = try shard.map { (shard) throws(HubError) in try shard.files(of: dataSet.files) } ?? dataSet.files
        try await remember(dataSet)
        let part = shard.map { ".\($0.index)-of-\($0.count)" } ?? ""
        return try await fetch(files, .dataSets, dataSet.name, dataSet.version, dataSet.id, part)
    }

    func fetch(_ model: ModelRecord) async throws(HubError) -> LocalContent {
        try await fetch(model.files, .models, model.name.map { "model.\($0)" }, model.version, model.id, "")
    }

    private func fetch(
        _ files: [StoredFile],
        _ bucket: BlobBucket,
        _ name: String?,
        _ version: Int?,
        _ id: ObjectID?,
        _ part: String
    ) async throws(HubError) -> LocalContent {
        let word = id.map { "\($0)" } ?? "unnamed"
        let key: ByteString = "\(bucket.rawValue)/\(word)\(part)"
        if let known = fetched.withLock({ $0.contents[key] }),
            try await onDisk({ _ in GuardedPath.status(known.folder) != nil })
        {
            return known
        }
        // A name of another program's may be anything.
        let isName = name.map {
            !$0.isEmpty && $0.utf8.count <= 200 && !$0.bytes.hasPrefix(".") && !$0.bytes.contains("/")
                && !$0.utf8.contains(0)
        }
        let outer = isName == true ? name ?? word : word
        let inner = (version.map { "v\($0)" } ?? word) + part
        let parent = "\(directory.fetchedPath)/\(outer)"
        let target = try await onDisk { directory in
            try directory.makeFetchedFolder(outer)
            return self.free("\(parent)/\(inner)")
        }
        let content = try await cache.fetch(files, in: bucket, of: transfers, to: target)
        fetched.withLock { $0.contents[key] = content }
        return content
    }

    /// A path that nobody has taken: two requests may want the same at once, and an earlier runner may have begun it.
    private func free(_ path: String) -> String {
        fetched.withLock { fetched in
            var number = 1
            while true {
                let candidate = number == 1 ? path : "\(path).\(number)"
                if GuardedPath.status(candidate) == nil, fetched.folders.insert(candidate.bytes).inserted {
                    return candidate
                }
                number += 1
            }
        }
    }

    /// The lineage of what is saved later, also under another runner.
    private func remember(_ dataSet: DataSetRecord) async throws(HubError) {
        guard let id = dataSet.id else { return }
        let entry = Lineage.DataSet(
            id: id,
            name: dataSet.name ?? "",
            version: dataSet.version,
            sha256: dataSet.sha256
        ).document
        try await onDisk { directory in
            try self.fetched.withLock { _ in
                let known = try directory.fetchedDataSets()
                if known.contains(where: { $0["id"]?.objectIDValue == id }) { return }
                try directory.write(fetchedDataSets: known + [entry])
            }
        }
    }
}
