import Threads

extension MongoClient {
    /// Calls of a client that share threads, places for cursors and places for change streams. What one lane does never
    /// makes another one wait. All of them share the connections, of which there are enough for all.
    package enum Lane: Int, Sendable, CaseIterable {
        /// What must be prompt.
        case vital
        /// What carries bytes: outputs, logs, files.
        case transport
        /// Queries that somebody else has written. Few are under way at once, their callers take turns, and the server
        /// gives each up after a while; see ``MongoClient/ScriptLimits``.
        case scripts
    }

    /// The limits of lane ``Lane/scripts``.
    public struct ScriptLimits: Sendable {
        /// How many calls are under way at once: the server has other things to do too.
        public var threads = 2
        /// How many of them may be one caller's, so that somebody else's finds a place.
        public var share = 1
        /// How long the server may work on a query; then it fails with server code 50. Never more than three quarters
        /// of the socket time-out: the server's answer must come first.
        public var maxTime = Duration.seconds(15)
        /// How long a call waits for its turn until it fails as ``MongoError/Code/busy``.
        public var patience = Duration.seconds(30)
        /// How many cursors may be open. See ``MongoClient/Options/maxOpenCursors``.
        public var maxOpenCursors = 256
        /// How many of them may be one caller's.
        public var cursorShare = 16
        /// How many change streams may be open.
        public var maxOpenChangeStreams = 8

        public init() {}
    }
}

/// What belongs to one lane of a client.
struct ClientLane: Sendable {
    /// As the connection string has them, or else the options.
    struct Timeouts {
        var serverSelection: Duration
        var socket: Duration
    }

    let lane: MongoClient.Lane
    let threads: LaneThreads
    let cursorSlots: Slots
    /// Messages of file contents that are under way at once: more than two make neither direction faster, and some
    /// threads are left for calls that must not wait behind megabytes.
    let transferSlots: Slots
    /// How many change streams may be open.
    let streams: Int
    /// How long the server may work on a query that names no limit of its own.
    let queryLimit: Duration?
    /// How long a cursor waits for another one to end.
    let cursorPatience: Duration

    /// Connections that the lane uses at most.
    var clients: Int { threads.limit + cursorSlots.count + max(0, streams) }

    init(_ lane: MongoClient.Lane, _ options: MongoClient.Options, threadLimit: Int, _ timeouts: Timeouts) {
        self.lane = lane
        let isForScripts = lane == .scripts
        let scripts = options.scripts
        let count = max(1, min(isForScripts ? scripts.threads : options.threads, threadLimit))
        threads =
            isForScripts
            ? LaneThreads(name: "mongo scripts", limit: count, share: scripts.share, patience: scripts.patience)
            : LaneThreads(name: "mongo \(lane)", limit: count)
        cursorSlots = Slots(count: max(1, isForScripts ? scripts.maxOpenCursors : options.maxOpenCursors))
        transferSlots = Slots(count: max(1, min(2, count - 1)))
        streams = isForScripts ? scripts.maxOpenChangeStreams : options.maxOpenChangeStreams
        queryLimit = isForScripts ? min(scripts.maxTime, timeouts.socket * 3 / 4) : nil
        cursorPatience = isForScripts ? scripts.patience : timeouts.serverSelection
    }
}
