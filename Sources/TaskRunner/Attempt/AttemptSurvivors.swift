package import BSON
import CLinux
import Glibc

/// Processes of an attempt that have outlived its supervisor. They are found by the attempt's token, which every process
/// of an attempt inherits in its environment. Calls block: for pool threads only.
package enum AttemptSurvivors {
    /// Kills all that are found now.
    ///
    /// - Returns: Their process numbers. Ask again until there are none: what was forked meanwhile is found then.
    package static func kill(_ token: ObjectID) -> [Int32] {
        all().filter { pid in
            guard carries(token, pid) else { return false }
            let pidfd = tensorhub_pidfd_open(pid)
            guard pidfd >= 0 else { return false }
            defer { close(pidfd) }
            // Asked again now that the descriptor names one process: the number may have gone to a stranger.
            guard carries(token, pid) else { return false }
            _ = tensorhub_pidfd_send_signal(pidfd, SIGKILL)
            return true
        }
    }

    private static func all() -> [Int32] {
        let names = try? LocalFolder("/proc").names()
        return names?.compactMap { Int32($0) } ?? []
    }

    /// A dead process that nobody has collected has no environment any more, and one of another user's is not ours.
    private static func carries(_ token: ObjectID, _ pid: Int32) -> Bool {
        guard let environment = try? LocalFolder("/proc/\(pid)").readAll("environ") else { return false }
        let wanted = Array("TENSORHUB_ATTEMPT_TOKEN=\(token)".utf8)
        return environment.split(separator: 0).contains { $0.elementsEqual(wanted) }
    }
}
