import CLibMongoC
import Synchronization
import Threads

/// A `mongoc_cursor_t` with the client that it lives on. At most one job works on it at a time, and a job destroys it:
/// at its end, on failure, when the client closes, or when the iterator lets go.
final class CursorHandle: Openable {
    let id = SerialNumber()
    private let core: ClientCore
    private let state = Mutex<State>(.fresh)

    /// `@unchecked Sendable`: the state below hands the pointers from one job to the next, never to two.
    private struct Pointers: @unchecked Sendable {
        let client: OpaquePointer
        let cursor: OpaquePointer
    }

    private enum State {
        /// Nothing was popped yet.
        case fresh
        case idle(Pointers)
        /// A job works with it; whether that job shall destroy it.
        case busy(endsAfter: Bool)
        case ended
    }

    private enum Start {
        case first
        case next(Pointers)
        case ended
    }

    private init(core: ClientCore) {
        self.core = core
    }

    deinit {
        // No job is under way, for a job would own this object. What is left must go on a thread that may block.
        guard case .idle(let pointers) = state.withLock({ $0 }) else { return }
        core.submit { [core, id] in Self.destroy(pointers, core, id) }
    }

    /// Waits for a free place, then sends the query.
    static func open(_ cursor: MongoCursor) async throws(MongoError) -> CursorHandle {
        let core = cursor.core
        try cursor.namespace.check()
        if let refusal = await core.acquireCursor() { throw refusal }
        let handle = CursorHandle(core: core)
        do throws(MongoError) {
            try core.beginActivity(of: handle, isStream: false)
        } catch {
            core.releaseCursor()
            throw error
        }
        try await handle.job { (handle) throws(MongoError) in
            let client = try core.popClient()
            do throws(MongoError) {
                let lent = LentClient(pointer: client, core: core)
                let pointer = try lent.withCollection(cursor.namespace) { (collection) throws(MongoError) in
                    try cursor.query(lent, collection)
                }
                guard let pointer else { throw MongoError(.invalidInput, "libmongoc made no cursor") }
                return (Pointers(client: client, cursor: pointer), ())
            } catch {
                core.pushClient(client)
                throw error
            }
        }
        return handle
    }

    /// The next documents.
    func fetch(upTo count: Int) async throws(MongoError) -> CursorChunk {
        try await job { [core] (pointers) throws(MongoError) in
            guard let pointers else { throw core.closedError }
            let chunk = try LentClient(pointer: pointers.client, core: core).read(pointers.cursor, upTo: count)
            return (pointers, chunk)
        }
    }

    func endSoon() {
        let pointers = state.withLock { state -> Pointers? in
            switch state {
            case .idle(let pointers):
                state = .ended
                return pointers
            case .busy: state = .busy(endsAfter: true)
            case .fresh, .ended: break
            }
            return nil
        }
        guard let pointers else { return }
        core.submit { [core, id] in Self.destroy(pointers, core, id) }
    }

    /// Runs `body` with exclusive use of the pointers; a failure of `body` ends the cursor.
    private func job<Value: Sendable>(
        _ body: @escaping @Sendable (Pointers?) throws(MongoError) -> (Pointers, Value)
    ) async throws(MongoError) -> Value {
        let start = state.withLock { state -> Start in
            defer { if case .ended = state {} else { state = .busy(endsAfter: false) } }
            switch state {
            case .fresh: return .first
            case .idle(let pointers): return .next(pointers)
            case .ended: return .ended
            case .busy: preconditionFailure("an iterator is used by one task at a time")
            }
        }
        let pointers: Pointers?
        switch start {
        case .first: pointers = nil
        case .next(let idle): pointers = idle
        case .ended: throw core.closedError
        }
        let idle = pointers
        return try await core.call { [self] in
            let result = Result { () throws(MongoError) -> (Pointers, Value) in try body(idle) }
            finish(result.map { $0.0 }, had: idle)
            return result.map { $0.1 }
        } refused: { [self] in
            state.withLock { $0 = .ended }
            if let idle {
                core.submit { [core, id] in Self.destroy(idle, core, id) }
            } else {
                Self.release(core, id)
            }
        }
    }

    private func finish(_ outcome: Result<Pointers, MongoError>, had before: Pointers?) {
        let after = try? outcome.get()
        let mustEnd = state.withLock { state -> Bool in
            if let after, case .busy(endsAfter: false) = state {
                state = .idle(after)
                return false
            }
            state = .ended
            return true
        }
        guard mustEnd else { return }
        if let pointers = after ?? before {
            Self.destroy(pointers, core, id)
        } else {
            Self.release(core, id)
        }
    }

    private static func destroy(_ pointers: Pointers, _ core: ClientCore, _ id: SerialNumber) {
        mongoc_cursor_destroy(pointers.cursor)
        core.pushClient(pointers.client)
        release(core, id)
    }

    private static func release(_ core: ClientCore, _ id: SerialNumber) {
        core.releaseCursor()
        core.endActivity(of: id, isStream: false)
    }
}
