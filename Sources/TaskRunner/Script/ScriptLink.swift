import BSON
import Logging
import MongoDriver
import NIOPosix
import Synchronization
import TensorHub
import Threads

/// What connects the script of one attempt with MongoDB: the API that it talks to, and the delivery of what it writes.
final class ScriptLink: Sendable {
    let delivery: OutboxDelivery
    let backend: AttemptBackend
    let socketPath: String
    let token: ObjectID
    private let context: AttemptContext
    private let service = Mutex<(any ScriptService)?>(nil)

    init(
        _ context: AttemptContext,
        _ task: TaskRecord,
        _ id: AttemptID,
        _ control: AttemptControl,
        _ directory: AttemptDirectory,
        token: ObjectID,
        logger: Logger
    ) {
        self.context = context
        self.token = token
        socketPath = ScriptSocket.path(for: directory, token: token)
        // A party of its own: what one script writes waits for no other one's, and nothing of the runner's for either.
        let disk = context.scriptThreads.party()
        delivery = OutboxDelivery(
            Outbox(directory.outboxPath, in: directory.state),
            sink: OutboxSink(
                store: context.store,
                id: id,
                token: token,
                directory: directory,
                pool: disk
            ),
            pool: disk,
            availability: context.availability,
            logger: logger,
            isLost: { control.isLeaseLost },
            persistence: context.persistence
        )
        backend = AttemptBackend(
            hub: context.queries,
            transfers: context.transfers,
            id,
            directory: directory,
            delivery: delivery,
            control: control,
            board: context.progressBoard,
            pool: disk,
            bulk: context.bulk,
            cache: context.cache,
            grace: task.grace ?? context.options.grace
        )
    }

    /// The path for the script; `nil` where this runner serves none.
    var offeredPath: String? { context.options.scriptServer == nil ? nil : socketPath }

    /// Listens. The attempt directory exists.
    func open() async throws {
        guard let server = context.options.scriptServer else { return }
        let path = socketPath
        try await context.pool.runIfActive { try ScriptSocket.prepare(path) }
        let opened = try await server.serve(backend, socketPath: path, token: "\(token)")
        service.withLock { $0 = opened }
    }

    /// Answers what has begun, and listens no more. The script has ended.
    func close() async {
        let opened = service.withLock { service in
            defer { service = nil }
            return service
        }
        guard let opened else { return }
        await opened.stop()
        let path = socketPath
        try? await context.pool.runIfActive { ScriptSocket.remove(path) }
    }

    /// Deletes from GridFS what cut uploads of this attempt have left. Nothing is sent where there was no upload.
    func dropUploads() async {
        guard delivery.hasUploaded else { return }
        // Where this fails, the collector of orphans finds them.
        try? await context.store.dropUploads(of: token)
    }
}
