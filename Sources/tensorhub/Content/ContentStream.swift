import Console
import TensorHub

/// A stored file as its bytes come, its hash compared at the end.
enum ContentStream {
    static func write(
        _ file: StoredFile,
        _ found: ContentTarget.Found,
        _ hub: Hub,
        _ body: ([UInt8]) throws -> Void
    ) async throws {
        let hash = SHA256()
        var count: Int64 = 0
        do {
            for try await bytes in hub.read(file, in: found.bucket) {
                hash.update(bytes)
                count += Int64(bytes.count)
                try body(bytes)
            }
        } catch let error as HubError {
            throw error.naming(file).naming(found.title)
        }
        let sha256 = hash.finish()
        guard count == file.blob.length, file.blob.sha256 == nil || sha256 == file.blob.sha256 else {
            throw CommandFailure.failure(
                "'\(file.path)' of \(found.title) is damaged in the database: what came (\(count) bytes) is not what was "
                    + "stored (\(file.blob.length) bytes, SHA-256 \(file.blob.sha256 ?? "unknown")); do not use it"
            )
        }
    }
}
