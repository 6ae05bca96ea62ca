import CLinux
import Files
import Glibc

/// What the second watch sees of a supervisor, and does to it.
extension SupervisorProcess {
    /// `nil` where it is gone, or cannot be asked. Does not block: it is the kernel's own table.
    var condition: SupervisorWatch.Condition? {
        if hasEnded { return nil }
        return switch ProcessEntry(pid)?.state {
        case UInt8(ascii: "T"): .stopped
        case UInt8(ascii: "t"): .traced
        case nil: nil
        default: .running
        }
    }

    /// Kills it and everything below it, whatever that calls itself: as long as a supervisor is there, nothing of the
    /// script's leaves its tree. Blocks for some milliseconds.
    func killTree() {
        // It may not see its script die and write down that somebody else has killed that.
        pause()
        // What is forked meanwhile is found by the next walk. Once it has ended, its number may be a stranger's.
        for _ in 0..<Self.walks where !hasEnded {
            let living = ProcessEntry.all().descendants(of: pid).filter { !$0.isDead }
            if living.isEmpty { break }
            killed = living
            for process in living { process.kill() }
        }
        killSupervisor()
    }

    private static let walks = 20
}

/// A process as the kernel's table has it.
struct ProcessEntry: Sendable {
    let pid: Int32
    let name: String
    /// The letter of proc(5).
    let state: UInt8
    let parent: Int32
    /// Clock ticks since boot.
    let start: UInt64

    /// `nil` where there is none, or it cannot be read.
    init?(_ pid: Int32) {
        let file = open("/proc/\(pid)/stat", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 1024)
        let count = read(file, &bytes, bytes.count)
        guard count > 0 else { return nil }
        self.init(pid, stat: bytes[..<count])
    }

    init?(_ pid: Int32, stat: ArraySlice<UInt8>) {
        // The name is in parentheses and may hold anything: the fields begin after the last one.
        guard let open = stat.firstIndex(of: UInt8(ascii: "(")), let close = stat.lastIndex(of: UInt8(ascii: ")")),
            open < close
        else { return nil }
        let fields = stat[(close + 1)...].split(separator: UInt8(ascii: " ")).map {
            String(decoding: $0, as: UTF8.self)
        }
        guard fields.count > 19, let state = fields[0].utf8.first, let parent = Int32(fields[1]),
            let start = UInt64(fields[19])
        else { return nil }
        self.pid = pid
        name = String(decoding: stat[(open + 1)..<close], as: UTF8.self)
        self.state = state
        self.parent = parent
        self.start = start
    }

    /// Dead, and only not collected.
    var isDead: Bool { state == UInt8(ascii: "Z") || state == UInt8(ascii: "X") }

    /// For people: `123 (python3, D)`. D is a process that waits in the kernel and cannot be killed.
    var text: String { "\(pid) (\(name), \(Character(Unicode.Scalar(state))))" }

    static func all() -> [ProcessEntry] {
        guard let folder = try? LocalFolder("/proc"), let names = try? folder.names() else { return [] }
        return names.lazy.compactMap { Int32($0) }.compactMap { ProcessEntry($0) }
    }

    /// SIGKILL, unless the number has gone to another process.
    func kill() {
        let pidfd = tensorhub_pidfd_open(pid)
        guard pidfd >= 0 else { return }
        defer { close(pidfd) }
        if ProcessEntry(pid)?.start == start { _ = tensorhub_pidfd_send_signal(pidfd, SIGKILL) }
    }
}

extension [ProcessEntry] {
    /// All below a process, the process itself left out.
    func descendants(of root: Int32) -> [ProcessEntry] {
        let children = Dictionary(grouping: self, by: \.parent)
        var found: [ProcessEntry] = []
        var next = children[root] ?? []
        // A table that is read while it changes may hold a circle; nothing is counted twice.
        var seen: Set<Int32> = [root]
        while let process = next.popLast() {
            guard seen.insert(process.pid).inserted else { continue }
            found.append(process)
            next += children[process.pid] ?? []
        }
        return found
    }
}
