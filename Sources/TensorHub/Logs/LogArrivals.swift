import BSON
import MongoDriver
import Synchronization

/// The identifiers of the entries of a project as the server gets them: from a change stream, or, on a server without,
/// from looking at the end of the collection.
final class LogArrivals: Sendable {
    private struct State {
        var recent = RecentIDs(capacity: LogArrivals.remembered)
        var waiting: [BSONValue] = []
        var stream: ChangeStream?
        /// Where the next stream goes on.
        var token: BSONDocument?
        var isPolling = false
    }

    /// How often it looks where there is no change stream, and how long it waits for a server that is away.
    static let poll: Duration = .seconds(1)
    /// How many are read at once.
    private static let batch = 1000
    /// So many may wait to be read; then the server holds events back.
    private static let mostWaiting = 10_000
    static let remembered = 100_000
    /// So many known entries in a row, and all in front of them are known too: entries that are inserted at the same
    /// time become visible in nearly, not exactly, the order of the collection.
    private static let overlap = 100
    /// The server's codes for a place in a change stream that is lost: oplog overrun, invalid or foreign token.
    private static let lostPlace: Set<Int> = [136, 222, 260, 280, 286]

    private let collection: MongoCollection
    private let project: String
    private let state = Mutex(State())

    init(collection: MongoCollection, project: String) {
        self.collection = collection
        self.project = project
    }

    /// Everything that is inserted from now on will be met; after an error, what came since then too.
    func open() async throws(MongoError) {
        if state.withLock({ $0.stream != nil || $0.isPolling }) { return }
        let stream = collection.watch(
            [
                ["$match": ["operationType": "insert", "fullDocument.project_name": .string(project)]],
                ["$project": ["documentKey": 1]],
            ],
            ChangeStreamOptions(resumeAfter: state.withLock { $0.token })
        )
        do throws(MongoError) {
            try await stream.open()
            state.withLock { $0.stream = stream }
        } catch {
            if error.code == .notReplicaSet {
                for id in try await unknown() { know(id) }
                state.withLock { $0.isPolling = true }
                return
            }
            guard let code = error.serverCode, Self.lostPlace.contains(code) else { throw error }
            state.withLock { $0.token = nil }
            throw MongoError(.network, error.message, serverCode: code, codeName: error.codeName)
        }
    }

    /// Something that the caller has seen.
    func know(_ id: BSONValue) { state.withLock { _ = $0.recent.insert(id) } }

    /// The next ones to read, `nil` where there are none.
    var waiting: [BSONValue]? {
        state.withLock { $0.waiting.isEmpty ? nil : Array($0.waiting.prefix(Self.batch)) }
    }

    /// The first ones are read.
    func drop(_ count: Int) { state.withLock { $0.waiting.removeFirst(count) } }

    /// Gathers new ones until it is cancelled or MongoDB goes away.
    func collect(_ wake: AsyncStream<Void>.Continuation) async throws {
        defer { wake.finish() }
        guard let stream = state.withLock({ $0.stream }) else {
            while !Task.isCancelled {
                let ids = try await translatingErrors { () async throws(MongoError) in try await unknown() }
                if add(ids) { wake.yield() }
                try await Task.sleep(for: Self.poll)
            }
            return
        }
        defer {
            state.withLock { state in
                state.token = stream.resumeToken
                state.stream = nil
            }
        }
        var events = stream.makeAsyncIterator()
        do throws(MongoError) {
            while let event = try await events.next() {
                guard let id = event.document.value(atPath: "documentKey._id") else { continue }
                if add([id]) { wake.yield() }
                await makeRoom()
            }
        } catch {
            if error.code == .forbidden || error.code == .authentication { throw HubError(error) }
            // The stream was open, so it is nobody's fault: what ended it, a killed cursor for one, does not last.
            var failure = error
            failure.code = .network
            throw HubError(failure)
        }
        // The collection was dropped: no place to go on from.
        if !Task.isCancelled { throw HubError(MongoError(.network, "the log \(collection.name) was dropped")) }
    }

    /// Waits while too many wait to be read.
    private func makeRoom() async {
        while !Task.isCancelled, state.withLock({ $0.waiting.count }) >= Self.mostWaiting {
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    private func add(_ ids: [BSONValue]) -> Bool {
        state.withLock { state in
            let new = ids.filter { state.recent.insert($0) }
            state.waiting += new
            return !new.isEmpty
        }
    }

    /// Looks from the end of the collection to its beginning until everything is known.
    private func unknown() async throws(MongoError) -> [BSONValue] {
        let options = FindOptions(sort: ["$natural": -1], projection: ["_id": 1], limit: Self.mostWaiting)
        var found: [BSONValue] = []
        var knownInARow = 0
        var cursor = collection.find(["project_name": .string(project)], options).makeAsyncIterator()
        while knownInARow < Self.overlap, let id = try await cursor.next()?["_id"] {
            if state.withLock({ $0.recent.contains(id) }) {
                knownInARow += 1
            } else {
                knownInARow = 0
                found.append(id)
            }
        }
        return found.reversed()
    }
}
