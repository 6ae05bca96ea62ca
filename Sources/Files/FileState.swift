package import Glibc

/// What tells whether somebody has written to a file, replaced it, or given it another mode: taken before it is read
/// and after. Calls block.
package struct FileState: Sendable, Hashable {
    private let device: UInt64
    private let inode: UInt64
    private let size: Int64
    private let modified: [Int]
    private let changed: [Int]

    package init(_ status: stat) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        size = Int64(status.st_size)
        modified = [status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
        changed = [status.st_ctim.tv_sec, status.st_ctim.tv_nsec]
    }

    /// `nil` where there is nothing that can be looked at.
    package init?(_ path: String, followingLinks: Bool = true) {
        var status = stat()
        if followingLinks {
            guard stat(path, &status) == 0 else { return nil }
        } else {
            guard let found = GuardedPath.status(path) else { return nil }
            status = found
        }
        self.init(status)
    }

    /// How long until a further write would show: the kernel gives writes within one tick of its clock the same time.
    package var unsureFor: Duration {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME_COARSE, &now)
        let age = Duration.seconds(now.tv_sec - changed[0]) + .nanoseconds(now.tv_nsec - changed[1])
        return age >= .zero && age < Self.tick ? Self.tick - age : .zero
    }

    /// The longest that kernels are built with.
    private static let tick: Duration = .milliseconds(10)

    /// How often something is read that changes meanwhile.
    package static let tries = 3
}
