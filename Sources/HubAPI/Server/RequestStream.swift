import HTTPTypes
import HummingbirdCore
import NIOCore
import Synchronization

/// The body of a request, read once from the beginning.
final class RequestStream: Sendable {
    /// Bytes of an unwanted body that are read and thrown away, so that a client that sends first and reads then gets
    /// to read; after that the connection is closed.
    static let patience = 64 << 20

    private let body: RequestBody
    /// What the client says that comes.
    let announcedLength: Int64?
    private let isTaken = Atomic(false)
    private let budget: BodyBudget
    /// Bytes of the budget that are given back with the request.
    private let held = Atomic(0)

    init(_ body: RequestBody, headers: HTTPFields, _ budget: BodyBudget) {
        self.body = body
        self.budget = budget
        announcedLength = headers[.contentLength].flatMap { Int64($0) }
    }

    deinit { budget.giveBack(held.load(ordering: .relaxed)) }

    private func hold(_ count: Int) throws(APIError) {
        try budget.take(count)
        held.add(count, ordering: .relaxed)
    }

    /// Hands the pieces on as they come.
    ///
    /// - Throws: Where the connection breaks, or the body ends before it should.
    @concurrent
    func read(_ handle: (ByteBuffer) async throws -> Void) async throws {
        guard isTaken.exchange(true, ordering: .relaxed) == false else { return }
        var length: Int64 = 0
        var failure: (any Error)?
        var unwanted = 0
        var iterator = body.makeAsyncIterator()
        while let piece = try await Self.next(&iterator) {
            length += Int64(piece.readableBytes)
            if let failure {
                unwanted += piece.readableBytes
                if unwanted > Self.patience { throw Self.closing(failure) }
                continue
            }
            do { try await handle(piece) } catch { failure = error }
        }
        if let failure { throw failure }
        if let announcedLength, length != announcedLength { throw BrokenBody() }
    }

    /// All of it, in memory.
    ///
    /// - Throws: `too-large` beyond the limit; `busy` where the service's budget for bodies is taken.
    @concurrent
    func collect(limit: Int) async throws -> [UInt8] {
        func fault() -> APIError {
            .tooLarge("the body is larger than \(limit) bytes; send it in parts, and large content by /v1/uploads")
        }
        if let announcedLength, announcedLength > Int64(limit) {
            var fault = fault()
            fault.closesConnection = announcedLength > Int64(Self.patience)
            if !fault.closesConnection { try await read { _ in } }
            throw fault
        }
        var bytes: [UInt8] = []
        if let announcedLength { try hold(Int(announcedLength)) }
        bytes.reserveCapacity(Int(announcedLength ?? 0))
        try await read { piece in
            if announcedLength == nil { try hold(piece.readableBytes) }
            if bytes.count + piece.readableBytes > limit { throw fault() }
            bytes.append(contentsOf: piece.readableBytesView)
        }
        return bytes
    }

    /// Reads what nobody wanted.
    ///
    /// - Returns: Whether the connection can be used on.
    @concurrent
    func discard() async -> Bool {
        if isTaken.load(ordering: .relaxed) { return true }
        if let announcedLength, announcedLength > Int64(Self.patience) { return false }
        var rest = Self.patience
        do {
            try await read { piece in
                rest -= piece.readableBytes
                if rest < 0 { throw BrokenBody() }
            }
            return true
        } catch {
            return false
        }
    }

    @concurrent
    private static func next(_ iterator: inout RequestBody.AsyncIterator) async throws -> ByteBuffer? {
        do { return try await iterator.next() } catch { throw BrokenBody(underlying: error) }
    }

    private static func closing(_ error: any Error) -> APIError {
        var error = APIError(error)
        error.closesConnection = true
        return error
    }
}

/// The connection ended in the middle of a request, or what came was no HTTP any more.
struct BrokenBody: Error {
    /// What the connection or the parser says.
    var underlying: (any Error)?
}
