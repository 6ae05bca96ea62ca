import CLinux
import Glibc
import Synchronization

/// One thread that waits for the end of any number of processes, because a blocking wait may not be on the cooperative
/// pool and one thread for each is too many.
final class ExitWatcher: Sendable {
    static let shared = ExitWatcher()

    private struct State {
        var nextKey: UInt64 = 0
        var watched: [UInt64: @Sendable () -> Void] = [:]
    }

    private let state = Mutex(State())
    /// -1 when the system gave none; then every watch fails.
    private let epoll: Int32

    private init() {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { return }
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, 256 << 10)
        var thread = pthread_t()
        // The thread runs as long as the process: the watcher is never freed.
        let context = Unmanaged.passRetained(self).toOpaque()
        pthread_create(&thread, &attributes, exitWatcherThread, context)
        pthread_attr_destroy(&attributes)
    }

    /// Calls `onExit` once, on the watcher's thread, when the process of the descriptor has ended. False when the
    /// system refused. The descriptor stays the caller's, to be closed in `onExit`.
    func watch(_ pidfd: Int32, onExit: @escaping @Sendable () -> Void) -> Bool {
        guard epoll >= 0 else { return false }
        let key = state.withLock { state in
            state.nextKey += 1
            state.watched[state.nextKey] = onExit
            return state.nextKey
        }
        var event = epoll_event(
            events: EPOLLIN.rawValue | EPOLLONESHOT.rawValue,
            data: epoll_data_t(u64: key)
        )
        if epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, &event) == 0 { return true }
        state.withLock { $0.watched[key] = nil }
        return false
    }

    fileprivate func run() {
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        while true {
            let count = epoll_wait(epoll, &events, Int32(events.count), -1)
            for index in 0..<max(0, Int(count)) {
                let key = events[index].data.u64
                state.withLock { $0.watched.removeValue(forKey: key) }?()
            }
        }
    }
}

private func exitWatcherThread(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    Unmanaged<ExitWatcher>.fromOpaque(context).takeUnretainedValue().run()
    return nil
}
