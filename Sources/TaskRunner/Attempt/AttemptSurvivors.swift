package import BSON
import CLinux
import Glibc

/// Processes of an attempt that have outlived its supervisor. They are found by the attempt's token, which every process
/// of an attempt inherits in its environment. Calls block: for pool threads only.
package enum AttemptSurvivors {
    /// Kills all that are found now.
    ///
    /// - Returns: Their process numbers. Ask again until there are none: what was forked meanwhile is found then.
    /// - Throws: Where the machine is too short of something to tell; ask again then too.
    package static func kill(_ token: ObjectID) throws(AttemptError) -> [Int32] {
        var found: [Int32] = []
        for pid in try all() where try carries(token, pid) {
            let pidfd = tensorhub_pidfd_open(pid)
            guard pidfd >= 0 else {
                let error = AttemptError.call("open process", "\(pid)")
                if error.mayPass { throw error }
                continue
            }
            defer { close(pidfd) }
            // Asked again now that the descriptor names one process: the number may have gone to a stranger.
            guard try carries(token, pid) else { continue }
            _ = tensorhub_pidfd_send_signal(pidfd, SIGKILL)
            found.append(pid)
        }
        return found
    }

    private static func all() throws(AttemptError) -> [Int32] {
        do throws(AttemptError) { return try LocalFolder("/proc").names().compactMap { Int32($0) } } catch {
            if error.mayPass { throw error }
            return []
        }
    }

    /// A dead process that nobody has collected has no environment any more, and one of another user's is not ours.
    private static func carries(_ token: ObjectID, _ pid: Int32) throws(AttemptError) -> Bool {
        let environment: [UInt8]
        do throws(AttemptError) { environment = try LocalFolder("/proc/\(pid)").readAll("environ") } catch {
            // The kernel gives EIO for the memory of a process that is just going.
            if error.mayPass, error.systemError != EIO { throw error }
            return false
        }
        let wanted = Array("TENSORHUB_ATTEMPT_TOKEN=\(token)".utf8)
        return environment.split(separator: 0).contains { $0.elementsEqual(wanted) }
    }
}
