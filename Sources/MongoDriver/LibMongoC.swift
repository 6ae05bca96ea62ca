import CLibMongoC
import Glibc
import Logging
import Synchronization

/// What is global in libmongoc: its initialization and its one log handler.
enum LibMongoC {
    /// Initializes libmongoc, on the first call only. It is never cleaned up: that is for the end of the process.
    static let initialize: Void = {
        mongoc_init()
        mongoc_log_set_handler(receiveLogLine, nil)
        // A server that closes its end during a write must be an error, not the end of this process.
        signal(SIGPIPE, SIG_IGN)
    }()

    /// Where libmongoc's log lines go: the logger of the client that was made last with one.
    static let logger = Mutex<Logger?>(nil)
}

/// Called by libmongoc on any thread, its monitors' included; so it belongs to no actor.
nonisolated private func receiveLogLine(
    _ level: mongoc_log_level_t,
    _ domain: UnsafePointer<CChar>?,
    _ message: UnsafePointer<CChar>?,
    _ context: UnsafeMutableRawPointer?
) {
    guard let message, let logger = LibMongoC.logger.withLock({ $0 }) else { return }
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
            "mongoc.message": "\(String(cString: message))",
        ]
    )
}
