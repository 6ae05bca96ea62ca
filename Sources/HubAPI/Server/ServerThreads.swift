import NIOCore
import NIOPosix
import Synchronization

/// The threads of all services of a process: they start with the first and end with the last, so that a runner without
/// attempts has none.
final class ServerThreads: Sendable {
    /// What a service works with while it lasts.
    struct Lease: Sendable {
        let eventLoops: MultiThreadedEventLoopGroup
        /// For calls that block on a disk.
        let disk: NIOThreadPool
    }

    private let count: Int
    private let state = Mutex<(users: Int, lease: Lease?)>((0, nil))

    /// - Parameter count: Event loops; a single one answers tens of thousands of requests a second.
    init(count: Int) {
        self.count = count
    }

    var areThere: Bool { state.withLock { $0.lease != nil } }

    func acquire() -> Lease {
        state.withLock { state in
            state.users += 1
            if let lease = state.lease { return lease }
            let disk = NIOThreadPool(numberOfThreads: 2)
            disk.start()
            let lease = Lease(eventLoops: MultiThreadedEventLoopGroup(numberOfThreads: count), disk: disk)
            state.lease = lease
            return lease
        }
    }

    func release() async {
        let last = state.withLock { state -> Lease? in
            state.users -= 1
            guard state.users == 0 else { return nil }
            defer { state.lease = nil }
            return state.lease
        }
        guard let last else { return }
        // They fail only where they are shut down already.
        try? await last.eventLoops.shutdownGracefully()
        try? await last.disk.shutdownGracefully()
    }
}
