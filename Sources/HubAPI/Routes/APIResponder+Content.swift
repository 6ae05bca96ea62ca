import BSON
import Files
import Glibc
import HTTPTypes
import NIOCore
import NIOPosix
import TensorHub

/// A data set or model that was found.
struct StoredContent: Sendable {
    /// For messages: `data set 'digits' version 2`.
    let label: String
    let document: BSONDocument
    /// Those of the shard, where one was asked for.
    let files: [StoredFile]
    let bucket: BlobBucket
    /// Whether these are all files.
    let isWhole: Bool
    /// Brings them onto this machine.
    let fetch: @Sendable () async throws(HubError) -> LocalContent

    /// Brings them, and tells of what is damaged where it belongs.
    func fetched() async throws(HubError) -> LocalContent {
        do throws(HubError) { return try await fetch() } catch { throw error.naming(label) }
    }
}

extension APIResponder {
    /// The description with the places of the files, or the bytes of one file.
    @concurrent
    func answer(_ request: APIRequest, _ content: StoredContent) async throws -> Answer {
        if request.wantsJSON { return try await describe(request, content) }
        let file: StoredFile
        if let path = request.query["file"] {
            guard let found = content.files.first(where: { $0.path.bytes == path.bytes }) else {
                throw Self.missing(path, content)
            }
            file = found
        } else {
            guard let first = content.files.first else {
                throw APIError.notFound("it has no file, only an architecture; ask with 'Accept: application/json'")
            }
            if content.files.count > 1 {
                throw APIError(
                    .conflict,
                    "several-files",
                    field: "file",
                    "it has \(content.files.count) files; name one with file=, or ask with 'Accept: application/json'"
                )
            }
            let kind = content.document.value(atPath: "hub.kind")?.stringValue
            if content.isWhole, kind == Content.Kind.folder.rawValue {
                // Its bytes alone would lose its path.
                throw APIError(
                    .conflict,
                    "several-files",
                    field: "file",
                    "it is a folder with the one file '\(first.path)'; name that with file=, or ask with "
                        + "'Accept: application/json'"
                )
            }
            file = first
        }
        return try await bytes(request, of: file, content)
    }

    @concurrent
    private func describe(_ request: APIRequest, _ content: StoredContent) async throws -> Answer {
        let isFetched = try request.flag("fetch", default: true)
        var files = content.files
        if let path = request.query["file"] {
            files = files.filter { $0.path.bytes == path.bytes }
            if files.isEmpty { throw Self.missing(path, content) }
        }
        let local = isFetched && isLocal && !files.isEmpty ? try await content.fetched() : nil
        let places = Dictionary(firstOf: local?.files.map { ($0.path, $0) } ?? [])
        var described: [BSONValue] = []
        for file in files {
            var size = file.blob.length
            if let place = places[file.path.bytes] {
                size = place.size ?? size
            } else if file.blob.sha256 == nil {
                // TensorLayer's documents do not say.
                size = try await hub.blob(file.blob.id, in: content.bucket)?.length ?? size
            }
            described.append([
                "path": .string(file.path), "size": .int64(size),
                "sha256": file.blob.sha256.map(BSONValue.string) ?? .null,
                "local": places[file.path.bytes].map { .string($0.localPath) } ?? .null,
            ])
        }
        return .json([
            "document": .document(content.document), "folder": local.map { .string($0.folder) } ?? .null,
            "files": .array(described),
        ])
    }

    /// From this machine's disk where scripts of this machine ask, else out of MongoDB.
    @concurrent
    private func bytes(_ request: APIRequest, of file: StoredFile, _ content: StoredContent) async throws -> Answer {
        // Of several files only an attempt, which will want the others too, fetches all for one. For an attempt this
        // also is what the lineage of its models goes by, so it comes before everything else.
        let isFetched = isLocal && (isAttempt || content.isWhole && content.files.count == 1)
        let local = isAttempt && isFetched ? try await content.fetched() : nil
        var headers: HTTPFields = [.contentType: "application/octet-stream", .acceptRanges: "bytes"]
        let tag = file.blob.sha256.map { "\"\($0)\"" }
        if let tag { headers[.eTag] = tag }
        if let tag, let known = request.headers[.ifNoneMatch], known == "*" || known.contains(tag) {
            return Answer(.notModified, nil, headers: headers, body: .none)
        }
        if isFetched {
            let local = if let local { local } else { try await content.fetched() }
            if let place = local.files.first(where: { $0.path.bytes == file.path.bytes })?.localPath {
                let opened = try await disk.runIfActive { try OpenedFile(place) }
                return try ranged(request, tag, length: opened.length, headers) { range in
                    opened.source(range, disk)
                }
            }
        }
        var length = file.blob.length
        if file.blob.sha256 == nil {
            guard let blob = try await hub.blob(file.blob.id, in: content.bucket) else {
                throw HubError(.blobLost, "it is not in GridFS any more; store it again").naming(file).naming(
                    content.label
                )
            }
            length = blob.length
        }
        let hub = backend.transfers
        let total = length
        return try ranged(request, tag, length: total, headers) { range in
            ByteSource(length: range.upperBound - range.lowerBound) { send in
                let isAll = range == 0..<total
                var left = range.upperBound - range.lowerBound
                // Sent once the next one is there, or the end: the whole file has its right hash then.
                var last: [UInt8]?
                for try await piece in hub.readBlob(file.blob.id, in: content.bucket, range: isAll ? nil : range) {
                    if let last { try await send(ByteBuffer(bytes: last)) }
                    last = piece
                    left -= Int64(piece.count)
                }
                // A stream ends early where its task was cancelled.
                if left != 0 { throw BrokenBody() }
                if let last { try await send(ByteBuffer(bytes: last)) }
            }
        }
    }

    private func ranged(
        _ request: APIRequest,
        _ tag: String?,
        length: Int64,
        _ headers: HTTPFields,
        _ source: (Range<Int64>) -> ByteSource
    ) throws(APIError) -> Answer {
        var headers = headers
        // A range of something else than what the client has begun with would not fit.
        let isWanted = request.headers[.ifRange].map { $0 == tag } ?? true
        switch isWanted ? ByteRange.parse(request.headers[.range], length: length) : .whole {
        case .whole: return Answer(.ok, nil, headers: headers, body: .bytes(source(0..<length)))
        case .part(let range):
            headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(length)"
            return Answer(.partialContent, nil, headers: headers, body: .bytes(source(range)))
        case .unsatisfiable:
            var error = APIError(
                .rangeNotSatisfiable,
                "range-not-satisfiable",
                field: "Range",
                "the file has \(length) bytes; ask for a range within them"
            )
            error.headers[.contentRange] = "bytes */\(length)"
            throw error
        }
    }

    private static func missing(_ path: String, _ content: StoredContent) -> APIError {
        var error = APIError(.notFound, "not-found", field: "file", "there is no file '\(path)' in it")
        error.suggestions = content.files.prefix(10).map(\.path)
        return error
    }
}

extension LocalContent.File {
    /// Bytes; `nil` where somebody has removed it.
    var size: Int64? { GuardedPath.status(localPath).map { Int64($0.st_size) } }
}
