import NIOCore
import NIOPosix
import Synchronization

/// The threads of all services of a process: they start with the first and end some seconds after the last, so that a
/// runner without attempts has none, and one whose attempts follow each other does not start them again and again.
final class ServerThreads: Sendable {
    /// What a service works with while it lasts.
    struct Lease: Sendable {
        let eventLoops: MultiThreadedEventLoopGroup
        /// For calls that block on a disk.
        let disk: NIOThreadPool
    }

    private struct State {
        var users = 0
        /// Counts the times that there was nobody left.
        var vacancies = 0
        var lease: Lease?
    }

    private let count: Int
    private let state = Mutex(State())

    /// How long they wait for another service.
    static let linger: TimeAmount = .seconds(2)

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

    func release() {
        let vacancy = state.withLock { state -> (lease: Lease, number: Int)? in
            state.users -= 1
            guard state.users == 0, let lease = state.lease else { return nil }
            state.vacancies += 1
            return (lease, state.vacancies)
        }
        guard let vacancy else { return }
        vacancy.lease.eventLoops.next().scheduleTask(in: Self.linger) { self.end(ifStill: vacancy.number) }
    }

    private func end(ifStill vacancy: Int) {
        let lease = state.withLock { state -> Lease? in
            guard state.users == 0, state.vacancies == vacancy else { return nil }
            defer { state.lease = nil }
            return state.lease
        }
        // They fail only where they are shut down already.
        lease?.disk.shutdownGracefully { _ in }
        lease?.eventLoops.shutdownGracefully { _ in }
    }
}
