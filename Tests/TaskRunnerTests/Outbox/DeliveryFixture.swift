import BSON
import Glibc
import Logging
import MongoDriver
import NIOPosix
import Synchronization
import TensorHub
import TestSupport
import Threads

@testable import TaskRunner

/// The attempt directory of one attempt; each delivery is that of another process.
struct DeliveryFixture: Sendable {
    var hub: Hub
    var directory: AttemptDirectory
    var token = ObjectID()
    let disk = TurnThreads(name: "test", limit: 2, share: 1)
    var logger: Logger { Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }) }

    func delivery(
        mustGiveUp: Bool = false,
        sync: @escaping @Sendable (Int32) -> Int32 = { fsync($0) }
    ) -> OutboxDelivery {
        OutboxDelivery(
            Outbox(directory.outboxPath, in: directory.state, sync: sync),
            sink: OutboxSink(
                store: hub.session(),
                id: directory.id,
                token: token,
                directory: directory,
                pool: disk
            ),
            pool: disk,
            availability: Availability(logger),
            logger: logger,
            isLost: { false },
            persistence: Persistence(clock: HurriedClock()) { mustGiveUp }
        )
    }

    func backend(_ delivery: OutboxDelivery) -> AttemptBackend {
        AttemptBackend(
            hub: hub,
            transfers: hub,
            directory.id,
            directory: directory,
            delivery: delivery,
            control: AttemptControl(.singleton),
            board: ProgressBoard(),
            pool: disk,
            bulk: BulkThreads(),
            cache: ContentCache(folder: "\(directory.path)/cache", limit: 1 << 20),
            grace: .seconds(1)
        )
    }

    /// Delivers all that is appended up to the end of `body`; returns whether that came to an end.
    func deliver(_ delivery: OutboxDelivery, _ body: () async throws -> Void = {}) async throws -> Bool {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await delivery.run() }
            try await body()
            let isDone = await delivery.finish()
            group.cancelAll()
            return isDone
        }
    }

    func log(_ step: Int) -> OutboxRecord {
        OutboxRecord(kind: .trainingLog, payload: ["_id": .objectID(ObjectID()), "step": .init(smallest: step)])
    }

    var kept: [String] { entries(directory.keptPath).sorted() }
}

func withAttempt(_ hub: Hub, _ body: (DeliveryFixture) async throws -> Void) async throws {
    try await withTemporaryDirectory { folder in
        let directory = AttemptDirectory(AttemptID(task: ObjectID(), number: 1), in: folder)
        for path in [directory.path, directory.journalPath, directory.checkpointPath] { mkdir(path, 0o700) }
        try await body(DeliveryFixture(hub: hub, directory: directory))
    }
}

func withAttempt(_ body: (DeliveryFixture) async throws -> Void) async throws {
    try await withTestHub { hub in try await withAttempt(hub, body) }
}
