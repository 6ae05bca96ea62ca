import BSON
import Files
import Glibc
import HTTPTypes
import TensorHub

/// What a request wants stored as a data set or a model.
struct SavedContent: Sendable {
    var id = ObjectID()
    /// `nil` where there are no files: a model of an architecture alone.
    var content: Content?
    var architecture: BSONDocument = [:]
    var tags: BSONDocument = [:]
}

extension APIResponder {
    /// Takes the body, JSON that names uploads or the bytes of the one file, and hands it to `store`. What is not
    /// stored leaves nothing behind: bytes of this request are removed, uploads can be used again.
    @concurrent
    func save(
        _ request: APIRequest,
        _ name: String,
        keys: Set<ByteString>,
        store: @Sendable (SavedContent) async throws -> BSONDocument
    ) async throws -> Answer {
        let document =
            request.hasJSONBody
            ? try await saveUploads(try await request.object(), keys, store)
            : try await saveBody(request, name, store)
        return .json(["document": .document(document)], isAttempt ? .accepted : .created)
    }

    @concurrent
    private func saveBody(
        _ request: APIRequest,
        _ name: String,
        _ store: (SavedContent) async throws -> BSONDocument
    ) async throws -> BSONDocument {
        var saved = SavedContent()
        saved.tags = try request.document("tags") ?? [:]
        saved.architecture = try request.document("architecture") ?? [:]
        let path = try Self.path(request.query["file"] ?? name)
        let file = try await receive(request)
        // A client that pipes the output of a program does not know how long it is, nor that the program has failed.
        if file.size == 0, request.body.announcedLength == nil {
            FolderTree.remove(file.path)
            throw APIError.invalid(
                "body",
                "the body is empty; if it is meant to be, say so with Content-Length: 0"
            )
        }
        saved.content = Content(
            kind: request.query["file"].map(Self.kind(ofOne:)) ?? .file,
            files: [SourceFile(path: path, source: .file(file.path), sha256: file.sha256)]
        )
        do {
            return try await store(saved)
        } catch {
            FolderTree.remove(file.path)
            throw error
        }
    }

    @concurrent
    private func saveUploads(
        _ body: BSONDocument,
        _ keys: Set<ByteString>,
        _ store: (SavedContent) async throws -> BSONDocument
    ) async throws -> BSONDocument {
        for key in body.keys where !keys.contains(key.bytes) {
            throw APIError.invalid(
                key,
                "there is no field '\(key)' here; known: \(keys.sorted().map(\.text).joined(separator: ", "))"
            )
        }
        var saved = SavedContent()
        if let value = body["_id"] {
            guard let id = value.objectIDValue else {
                throw APIError.invalid("_id", "_id is \(value); it must be {\"$oid\": \"...\"}")
            }
            saved.id = id
        }
        saved.tags = try Self.object(body, "tags") ?? [:]
        saved.architecture = try Self.object(body, "architecture") ?? [:]
        let parts = try Self.parts(body)
        guard !parts.isEmpty else { return try await store(saved) }
        let kind = try Self.kind(body, parts.map(\.path))
        var form: String?
        if let value = body["form"], value != .null {
            guard let text = value.stringValue else {
                throw APIError.invalid("form", "form is \(value); it must be a text")
            }
            form = text
        }
        let tokens = parts.map(\.upload)
        let files = try uploads.take(tokens)
        saved.content = Content(
            kind: kind,
            files: zip(parts, files).map { part, file in
                SourceFile(path: part.path, mode: part.mode, source: .file(file.path), sha256: file.sha256)
            },
            form: form
        )
        do {
            return try await store(saved)
        } catch {
            uploads.giveBack(tokens, files)
            throw error
        }
    }

    // MARK: Fields

    private struct Part {
        var path: String
        var mode: Int32
        var upload: String
    }

    private static func parts(_ body: BSONDocument) throws(APIError) -> [Part] {
        guard let value = body["files"], value != .null else { return [] }
        guard let values = value.arrayValue else {
            throw .invalid("files", "files must be an array of {\"path\": ..., \"upload\": ...}")
        }
        return try values.map { value throws(APIError) in
            guard let file = value.documentValue, let path = file["path"]?.stringValue,
                let upload = file["upload"]?.stringValue
            else { throw .invalid("files", "a file is \(value); it must be {\"path\": \"...\", \"upload\": \"...\"}") }
            let mode = file["mode"] ?? 0o644
            guard let bits = mode.intValue, (0...0o777).contains(bits) else {
                throw .invalid("files", "the mode of '\(path)' is \(mode); it must be from 0 to 511 (0o777)")
            }
            return Part(path: try Self.path(path), mode: Int32(bits), upload: upload)
        }
    }

    /// A file with folders in its path is a folder of one file: else these would be lost.
    private static func kind(ofOne path: String) -> Content.Kind {
        path.utf8.contains(UInt8(ascii: "/")) ? .folder : .file
    }

    private static func kind(_ body: BSONDocument, _ paths: [String]) throws(APIError) -> Content.Kind {
        guard let value = body["kind"], value != .null else {
            return paths.count == 1 ? kind(ofOne: paths[0]) : .folder
        }
        guard let kind = value.stringValue.flatMap(Content.Kind.init) else {
            throw .invalid("kind", "kind is \(value); it must be file, folder or arrays")
        }
        if kind == .file, paths.count > 1 {
            throw .invalid("kind", "kind is file and there are \(paths.count) files; write folder")
        }
        if kind == .file, let path = paths.first, Self.kind(ofOne: path) == .folder {
            throw .invalid("kind", "kind is file and its path is '\(path)'; write folder, or leave the folders out")
        }
        return kind
    }

    private static func object(_ body: BSONDocument, _ key: String) throws(APIError) -> BSONDocument? {
        guard let value = body[key], value != .null else { return nil }
        guard let document = value.documentValue else {
            throw .invalid(key, "\(key) is \(value); it must be an object")
        }
        return document
    }

    /// A path that stays in the folder that it is put into.
    private static func path(_ path: String) throws(APIError) -> String {
        guard StoredFile.isRelative(path) else {
            throw .invalid(
                "files",
                "file path \(path.debugDescription) must be relative, without '.', '..', empty parts or NUL"
            )
        }
        return path
    }
}
