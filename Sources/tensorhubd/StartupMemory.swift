import CLinux
import Glibc

/// Keeps a daemon small, and gives the memory of the start back: most of the code that a daemon has touched by then
/// (TLS, option parsing, the first contact) it never touches again, and it is a third of what an idle one holds.
enum StartupMemory {
    /// By then the first look at the queue is over.
    static let delay: Duration = .seconds(3)

    /// Has all threads share two heaps. With one for each, every thread that has ever sent files keeps its own
    /// messages' memory: 19 MiB of 30 after eight attempts that stored models at once.
    static func limit() { mallopt(M_ARENA_MAX, 2) }

    /// Lets go of the code pages of the executable and its libraries; what is still needed comes back from the page
    /// cache by itself. Only mappings that are not writable and executable are touched: nothing in them can have been
    /// changed.
    static func release() {
        guard let maps = fopen("/proc/self/maps", "re") else { return }
        defer { fclose(maps) }
        var line = [CChar](repeating: 0, count: 8192)
        var code: [(start: UInt, end: UInt)] = []
        while fgets(&line, Int32(line.count), maps) != nil {
            let words = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
                .split(separator: " ", omittingEmptySubsequences: true)
            let bounds = words.first?.split(separator: "-").compactMap { UInt($0, radix: 16) } ?? []
            guard bounds.count == 2, words.count >= 6, words[1] == "r-xp", words[5].hasPrefix("/") else { continue }
            code.append((bounds[0], bounds[1]))
        }
        for (start, end) in code {
            guard let address = UnsafeMutableRawPointer(bitPattern: start) else { continue }
            madvise(address, Int(end - start), MADV_DONTNEED)
        }
    }
}
