import BSON
import MongoDriver

/// Reads a blob in order, and verifies it when it is read whole.
actor BlobReader {
    private let store: BlobStore
    private let id: ObjectID
    private let range: Range<Int64>?
    private var source: GridFSReader?
    private var file: GridFSFile?
    private var expected: String?
    private let hash = ContentHash()
    private var isAtEnd = false

    init(_ store: BlobStore, _ id: ObjectID, _ range: Range<Int64>?) {
        self.store = store
        self.id = id
        self.range = range
    }

    /// The next bytes; `nil` at the end.
    func next() async throws -> [UInt8]? {
        if isAtEnd { return nil }
        do {
            let source = try await open()
            if let piece = try await source.next() {
                if expected != nil { piece.withUnsafeBytes { hash.update($0) } }
                return piece
            }
            isAtEnd = true
            self.source = nil
            if let expected { try store.compare(hash.finish(), expected, id) }
            return nil
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            let failure = HubError(transfer: error)
            if let file { await store.noteDamage(failure, file) }
            throw failure
        }
    }

    private func open() async throws -> GridFSReader {
        if let source { return source }
        guard let file = try await store.file(id) else { throw store.lost(id) }
        self.file = file
        let whole = 0..<file.length
        if range ?? whole == whole { expected = file.metadata?["sha256"]?.stringValue }
        let source = GridFSReader(store.gridFS, file, range: range ?? whole)
        self.source = source
        return source
    }
}
