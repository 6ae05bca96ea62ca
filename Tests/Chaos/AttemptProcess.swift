package import Glibc
import TestSupport

/// A process of an attempt, as the kernel shows it: found by its environment, so that neither the runner nor the
/// attempt directory need tell the truth.
package struct AttemptProcess: Sendable, Hashable {
    package enum Role: Sendable {
        case supervisor
        /// What the supervisor started.
        case script
        case descendant
    }

    package var pid: pid_t
    package var role: Role
    /// `<task id>.<attempt>`
    package var attempt: String

    /// All processes of attempts whose attempt directory lies under the folder, at any depth.
    package static func all(under folder: String) -> [AttemptProcess] {
        var found: [AttemptProcess] = []
        for name in entries("/proc") {
            guard let pid = pid_t(name), let environment = try? readFile("/proc/\(pid)/environ"),
                let path = taskFile(environment), path.hasPrefix(folder + "/"), let stat = Stat(pid), !stat.isDead
            else { continue }
            let parts = path.split(separator: "/")
            guard parts.count > 3 else { continue }
            let role: Role =
                if stat.name.hasPrefix("tensorhub-super") {
                    .supervisor
                } else if Stat(stat.parent)?.name.hasPrefix("tensorhub-super") == true, stat.session == pid {
                    .script
                } else {
                    .descendant
                }
            found.append(AttemptProcess(pid: pid, role: role, attempt: String(parts[parts.count - 3])))
        }
        return found
    }

    /// Kills all of them, also those that are being started meanwhile. Their runner must be dead.
    package static func killAll(under folder: String) async -> Bool {
        await eventually {
            let left = all(under: folder)
            for process in left { kill(process.pid, SIGKILL) }
            return left.isEmpty
        }
    }

    private static func taskFile(_ environment: [UInt8]) -> String? {
        let name = Array("TENSORHUB_TASK_FILE=".utf8)
        for entry in environment.split(separator: 0) where entry.starts(with: name) {
            return String(decoding: entry.dropFirst(name.count), as: UTF8.self)
        }
        return nil
    }
}

/// The fields of `/proc/PID/stat` that are of interest.
private struct Stat {
    var name: String
    var isDead: Bool
    var parent: pid_t
    var session: pid_t

    init?(_ pid: pid_t) {
        guard let bytes = try? readFile("/proc/\(pid)/stat") else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let open = text.firstIndex(of: "("), let close = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: close)...].split(separator: " ")
        guard fields.count > 3, let parent = pid_t(fields[1]), let session = pid_t(fields[3]) else { return nil }
        name = String(text[text.index(after: open)..<close])
        isDead = fields[0] == "Z" || fields[0] == "X"
        self.parent = parent
        self.session = session
    }
}
