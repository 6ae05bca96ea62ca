import CLibMongoC
import Glibc
import Logging
import Synchronization

/// What is global in libmongoc: its initialization and its one log handler.
enum LibMongoC {
    /// Initializes libmongoc, on the first call only. It is never cleaned up: that is for the end of the process.
    static let initialize: Void = {
        // Before anything can be said: libmongoc's own handler writes to standard error.
        mongoc_log_set_handler(receiveLogLine, nil)
        // Its counters for other programs are a file in /dev/shm named by the process number. A process that is killed
        // leaves it behind, and who is given its number later is warned of it.
        setenv("MONGOC_DISABLE_SHM", "1", 0)
        mongoc_init()
        // A library that initializes itself while it is loaded has not seen the variable. The file is of no use to
        // anybody, and only its name goes: the memory stays.
        shm_unlink("/mongoc-\(getpid())")
        // A server that closes its end during a write must be an error, not the end of this process.
        signal(SIGPIPE, SIG_IGN)
    }()

    /// Where libmongoc's log lines go: the logger of the client that was made last with one.
    static let logger = Mutex<Logger?>(nil)

    /// The threads that have it parse a connection string.
    static let parsing = Mutex<Set<pthread_t>>([])
}

/// Called by libmongoc on any thread, its monitors' included; so it belongs to no actor.
nonisolated private func receiveLogLine(
    _ level: mongoc_log_level_t,
    _ domain: UnsafePointer<CChar>?,
    _ message: UnsafePointer<CChar>?,
    _ context: UnsafeMutableRawPointer?
) {
    guard let message, let logger = LibMongoC.logger.withLock({ $0 }) else { return }
    var libraryText = String(cString: message)
    // What it says of a connection string it quotes.
    if LibMongoC.parsing.withLock({ $0.contains(pthread_self()) }) {
        libraryText = MongoURI.withoutQuotations(libraryText)
    }
    let swiftLevel: Logger.Level =
        switch level {
        case MONGOC_LOG_LEVEL_ERROR, MONGOC_LOG_LEVEL_CRITICAL, MONGOC_LOG_LEVEL_WARNING: .info
        case MONGOC_LOG_LEVEL_MESSAGE, MONGOC_LOG_LEVEL_INFO: .debug
        default: .trace
        }
    logger.log(
        level: swiftLevel,
        "libmongoc says",
        metadata: [
            "mongoc.domain": "\(domain.map { String(cString: $0) } ?? "")",
            "mongoc.message": "\(ServerText.scrubbed(libraryText))",
        ]
    )
}
