import Glibc
import Synchronization

/// How many files this process may have open. A shell often gives 1024, and a runner with many slots needs more: each
/// script may have hundreds of connections.
public enum OpenFileLimit {
    private static let soft = Mutex<UInt64?>(nil)

    /// The limit before it was raised, which scripts get back: a program that still uses `select` fails beyond 1024.
    static var former: UInt64? { soft.withLock { $0 } }

    /// Raises the soft limit to the hard one, for the rest of the life of this process.
    public static func raise() {
        soft.withLock { former in
            var limit = rlimit()
            guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < limit.rlim_max
            else { return }
            let current = UInt64(limit.rlim_cur)
            limit.rlim_cur = limit.rlim_max
            guard setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
            former = former ?? current
        }
    }
}
