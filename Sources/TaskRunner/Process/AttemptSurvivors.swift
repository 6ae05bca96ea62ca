package import BSON
import CLinux
package import Files
import Glibc
import TensorHub

/// Processes of an attempt that have outlived its supervisor, or that nothing on the disk tells of. They are found by
/// what every process of an attempt inherits in its environment. Calls block: for pool threads only.
package enum AttemptSurvivors {
    /// Kills all that are found now.
    ///
    /// - Returns: Their process numbers. Ask again until there are none: what was forked meanwhile is found then.
    /// - Throws: Where the machine is too short of something to tell; ask again then too.
    package static func kill(_ token: ObjectID) throws(FileError) -> [Int32] {
        let wanted = variable("TENSORHUB_ATTEMPT_TOKEN", "\(token)")
        return try signal(SIGKILL, to: try all()) { environment in environment.contains { $0.elementsEqual(wanted) } }
    }

    /// Kills what is found of an attempt whose token nobody knows.
    ///
    /// - Parameter isPatient: Whether its supervisor, where it lives, is asked to do so: it knows processes that have
    ///   taken another environment.
    static func kill(of directory: AttemptDirectory, isPatient: Bool) throws(FileError) -> [Int32] {
        let isWanted: (Environment) -> Bool = { self.directory($0, in: directory.parent) == directory }
        let pids = try all()
        if isPatient {
            var candidates: [Int32] = []
            for pid in pids where try isSupervisor(pid) { candidates.append(pid) }
            let supervisors = try signal(SIGQUIT, to: candidates, isWanted)
            if !supervisors.isEmpty { return supervisors }
        }
        return try signal(SIGKILL, to: pids, isWanted)
    }

    /// The directories of attempts below a folder that processes say they belong to.
    static func directories(in parent: String, project: String) throws(FileError) -> Set<AttemptDirectory> {
        let mine = variable("TENSORHUB_PROJECT", project)
        var found: Set<AttemptDirectory> = []
        for pid in try all() {
            guard let environment = try environment(of: pid), environment.contains(where: { $0.elementsEqual(mine) })
            else { continue }
            if let directory = directory(environment, in: parent) { found.insert(directory) }
        }
        return found
    }

    private typealias Environment = [ArraySlice<UInt8>]

    private static func variable(_ name: String, _ value: String) -> [UInt8] { Array("\(name)=\(value)".utf8) }

    /// The directory that the environment of a process names, where it is one below that folder.
    private static func directory(_ environment: Environment, in parent: String) -> AttemptDirectory? {
        func value(_ name: String) -> String? {
            let start = Array("\(name)=".utf8)
            return environment.first { $0.starts(with: start) }.map {
                String(decoding: $0.dropFirst(start.count), as: UTF8.self)
            }
        }
        guard value("TENSORHUB_ATTEMPT_TOKEN") != nil, let task = value("TENSORHUB_TASK_ID").flatMap({ ObjectID($0) }),
            let number = value("TENSORHUB_ATTEMPT").flatMap({ Int($0) }),
            let path = value("TENSORHUB_CHECKPOINT_DIR")
        else { return nil }
        let directory = AttemptDirectory(AttemptID(task: task, number: number), in: parent)
        let end = "/\(directory.name)/\(AttemptDirectory.checkpointName)"
        guard
            path.bytes == "\(parent)\(end)" || path.bytes.dropping(end: end.bytes).map({ isSame($0, parent) }) == true
        else { return nil }
        return directory
    }

    /// Whether two paths lead to the same folder: that of an earlier daemon may have been written otherwise.
    private static func isSame(_ path: String, _ other: String) -> Bool {
        var (one, two) = (stat(), stat())
        return stat(path, &one) == 0 && stat(other, &two) == 0 && one.st_ino == two.st_ino && one.st_dev == two.st_dev
    }

    /// Sends a signal to those of the processes whose environment is wanted. Returns their numbers.
    private static func signal(
        _ number: Int32,
        to pids: [Int32],
        _ isWanted: (Environment) -> Bool
    ) throws(FileError) -> [Int32] {
        var found: [Int32] = []
        for pid in pids {
            guard let environment = try environment(of: pid), isWanted(environment) else { continue }
            let pidfd = tensorhub_pidfd_open(pid)
            guard pidfd >= 0 else {
                let error = FileError("open process", "\(pid)")
                if error.mayPass { throw error }
                continue
            }
            defer { close(pidfd) }
            // Asked again now that the descriptor names one process: the number may have gone to a stranger.
            guard let environment = try Self.environment(of: pid), isWanted(environment) else { continue }
            _ = tensorhub_pidfd_send_signal(pidfd, number)
            found.append(pid)
        }
        return found
    }

    private static func isSupervisor(_ pid: Int32) throws(FileError) -> Bool {
        do throws(FileError) {
            // The kernel keeps the first 15 bytes of the name.
            return try LocalFolder("/proc/\(pid)").readAll("comm").starts(with: Array("tensorhub-super".utf8))
        } catch {
            if error.mayPass { throw error }
            return false
        }
    }

    private static func all() throws(FileError) -> [Int32] {
        do throws(FileError) { return try LocalFolder("/proc").names().compactMap { Int32($0) } } catch {
            if error.mayPass { throw error }
            return []
        }
    }

    /// A dead process that nobody has collected has no environment any more, and one of another user's is not ours.
    private static func environment(of pid: Int32) throws(FileError) -> Environment? {
        do throws(FileError) {
            return try LocalFolder("/proc/\(pid)").readAll("environ").split(separator: 0)
        } catch {
            // The kernel gives EIO for the memory of a process that is just going.
            if error.mayPass, error.number != EIO { throw error }
            return nil
        }
    }
}
