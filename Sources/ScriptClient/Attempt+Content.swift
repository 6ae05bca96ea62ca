public import BSON
import Files

extension Attempt {
    /// How often uploads are sent again that a restarted daemon knows nothing of.
    private static let uploadTries = 3

    // MARK: Finding

    /// The data set of a name: its newest version unless `version`, `filter` or `sort` choose another. Its files are
    /// brought to this machine first. Models that the attempt saves later name it in their lineage.
    ///
    /// - Parameters:
    ///   - name: `nil` for any.
    ///   - filter: On the document's fields, in MongoDB's terms.
    ///   - sort: The first in this order: `["accuracy": -1]`.
    ///   - shard: `2/8` takes the files number 2, 10, 18, ... only.
    /// - Throws: `ScriptError`: `notFound`, with names that are near; `badName`.
    public func dataSet(
        _ name: String?,
        version: Int? = nil,
        filter: BSONDocument? = nil,
        sort: BSONDocument? = nil,
        shard: String? = nil
    ) async throws -> StoredContent {
        try await find("datasets", name, version, filter, sort, [("shard", shard)])
    }

    /// The model of a name: as `dataSet`.
    ///
    /// - Parameter stage: The version that holds it, such as `production`.
    public func model(
        _ name: String?,
        version: Int? = nil,
        stage: String? = nil,
        filter: BSONDocument? = nil,
        sort: BSONDocument? = nil
    ) async throws -> StoredContent {
        try await find("models", name, version, filter, sort, [("stage", stage)])
    }

    private func find(
        _ collection: String,
        _ name: String?,
        _ version: Int?,
        _ filter: BSONDocument?,
        _ sort: BSONDocument?,
        _ more: [(String, String?)]
    ) async throws -> StoredContent {
        // A query sees what was written before, and so does its script.
        _ = await reporter.flush(within: Reporter.patience)
        let options =
            [
                ("version", version.map(String.init)), ("filter", filter?.extendedJSON()),
                ("sort", sort?.extendedJSON()),
            ] + more
        let query = options.compactMap { name, value in value.map { "\(name)=\(PercentCoding.encode($0))" } }
        let path = try "/v1/\(collection)/" + (name.map(Self.checked) ?? "-")
        let target = query.isEmpty ? path : path + "?" + query.joined(separator: "&")
        return try StoredContent(try await client.persist(.get, target))
    }

    // MARK: Saving

    /// Saves a data set; its version is given when it is delivered. Returns once the runner has all of it on its disk.
    ///
    /// - Returns: The document as it will be stored.
    /// - Throws: `ScriptError`: `localFile`, `badName`, `reservedField`.
    @discardableResult
    public func saveDataSet(
        _ name: String,
        _ content: NewContent,
        tags: BSONDocument = [:]
    ) async throws -> BSONDocument {
        try await save("datasets", name, content, tags, architecture: nil)
    }

    /// Saves a model: parameters, architecture, or both. As `saveDataSet`; its lineage names this attempt and the data
    /// sets that it has fetched up to now.
    @discardableResult
    public func saveModel(
        _ name: String,
        _ parameters: NewContent? = nil,
        architecture: BSONDocument = [:],
        tags: BSONDocument = [:]
    ) async throws -> BSONDocument {
        try await save("models", name, parameters, tags, architecture: architecture)
    }

    private func save(
        _ collection: String,
        _ name: String,
        _ content: NewContent?,
        _ tags: BSONDocument,
        architecture: BSONDocument?
    ) async throws -> BSONDocument {
        let path = try "/v1/\(collection)/\(Self.checked(name))"
        // Logs come before what was made of them, and a request that is repeated stores one document.
        _ = await reporter.flush(within: Reporter.patience)
        var body: BSONDocument = ["_id": .objectID(ObjectID()), "tags": .document(tags)]
        if let architecture { body.append("architecture", .document(architecture)) }
        if let content {
            body.append("kind", .string(content.kind.rawValue))
            if let form = content.form { body.append("form", .string(form)) }
        }
        var tries = 1
        while true {
            if let content { body["files"] = try await upload(content) }
            do {
                let answer = try await client.persist(.put, path, .json(body.extendedJSON()))
                return answer["document"]?.documentValue ?? answer
            } catch let error as ScriptError
                where content != nil && tries < Self.uploadTries && error.field == "files"
            {
                // The daemon was restarted in between.
                tries += 1
            }
        }
    }

    /// Sends all files as they are at one moment, and again where they change meanwhile. What is not asked for by its
    /// upload is removed later.
    private func upload(_ content: NewContent) async throws -> BSONValue {
        var failure = "the files change while they are sent"
        for _ in 0..<Self.uploadTries {
            let now = try content.folder.map { (folder) throws(ScriptError) in try NewContent(path: folder) } ?? content
            let before = try FileSnapshot(now)
            if before.unsureFor > .zero { try await Task.sleep(for: before.unsureFor) }
            var files: [BSONValue] = []
            for file in now.files { files.append(.document(try await upload(file))) }
            let after = try FileSnapshot(now)
            guard let name = after.difference(from: before) else { return .array(files) }
            failure = "'\(name)' changes while it is sent, also when it is sent again"
        }
        throw ScriptError(.localFile, "\(failure); nothing was saved: wait until nobody writes to it, or save a copy")
    }

    private func upload(_ file: NewContent.File) async throws -> BSONDocument {
        let body: HTTPBody
        var mode: Int32 = 0o644
        switch file.source {
        case .bytes(let bytes): body = .bytes(bytes)
        case .file(let path):
            let opened = try SentFile(path)
            mode = opened.mode
            body = .file(opened)
        }
        let answer = try await client.persist(.post, "/v1/uploads", body)
        guard let upload = answer["upload"] else {
            throw ScriptError(.invalidInput, "the runner's answer names no upload; it is of another version")
        }
        return ["path": .string(file.path), "mode": .int32(mode), "upload": upload]
    }

    /// A name as part of an address.
    private static func checked(_ name: String) throws(ScriptError) -> String {
        guard !name.isEmpty, !name.utf8.contains(0), !name.utf8.contains(UInt8(ascii: "/")) else {
            throw ScriptError(
                .badName,
                field: "name",
                "the name \(name.debugDescription) is empty or has a character that no name may have: '/' or NUL"
            )
        }
        return PercentCoding.encode(name)
    }
}
