import BSON
import Logging
import MongoDriver
import NIOPosix
import TensorHub
import Threads

/// What an attempt needs of its runner, and no more.
struct AttemptContext: Sendable {
    /// The holder of its lease.
    let runner: ObjectID
    /// As they are when it begins.
    let options: RunnerOptions
    /// Which one its task comes from, as ``AttemptClaim/database`` has it.
    let database: String
    let store: any AttemptStore
    /// For what its script asks itself: the attempts take turns.
    let queries: Hub
    let transfers: Hub
    let launcher: AttemptLauncher
    let cache: ContentCache
    let pool: NIOThreadPool
    let scriptThreads: TurnThreads
    let bulk: BulkThreads
    /// Where it has its slot.
    let state: SharedRunnerState
    let needs: UnmetNeeds
    /// To be told that there is room for another attempt.
    let wake: AsyncStream<Void>.Continuation
    let progressBoard: ProgressBoard
    let endDelivery: EndDelivery
    let availability: Availability
    let persistence: Persistence
    let damage: DamagedThings
    let logger: Logger

    /// Sees to the folders that everything needs, after something went wrong.
    func tendFolders() async {
        try? await pool.runIfActive { damage.tendFolders() }
    }
}

extension Runner {
    var attemptContext: AttemptContext {
        AttemptContext(
            runner: session.runner,
            options: options,
            database: database,
            store: transport,
            queries: hub.by(.scripts),
            transfers: transport.hub,
            launcher: launcher,
            cache: cache,
            pool: pool,
            scriptThreads: scriptThreads,
            bulk: bulk,
            state: state,
            needs: needs,
            wake: wake,
            progressBoard: progressBoard,
            endDelivery: endDelivery,
            availability: availability,
            persistence: persistence,
            damage: damage,
            logger: logger
        )
    }
}
