import Console
import Glibc
import MongoDriver

/// The lines of standard input as they come: all that are there already, at once.
struct InputLines {
    private var buffer: [UInt8] = []
    private var isAtEnd = false

    /// Bytes: what MongoDB takes as a document.
    private static let longest = 16 << 20

    /// Waits for a line; `nil` at the end.
    ///
    /// - Throws: A failure of status 2 for a line that nothing could store.
    mutating func next(atMost limit: Int) async throws(CommandFailure) -> [[UInt8]]? {
        while true {
            var lines: [[UInt8]] = []
            var start = 0
            while lines.count < limit, let end = buffer[start...].firstIndex(of: UInt8(ascii: "\n")) {
                lines.append(Array(buffer[start..<end]))
                start = end + 1
            }
            buffer.removeFirst(start)
            if !lines.isEmpty { return lines }
            if isAtEnd {
                if buffer.isEmpty { return nil }
                defer { buffer = [] }
                return [buffer]
            }
            if buffer.count > Self.longest {
                throw .badInput("a line of standard input has more than \(Self.longest) bytes; write one object a line")
            }
            try read()
        }
    }

    /// The command has nothing else to do meanwhile.
    private mutating func read() throws(CommandFailure) {
        let count = withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 1) { chunk in
            var count = 0
            repeat {
                count = Glibc.read(STDIN_FILENO, chunk.baseAddress, chunk.count)
            } while count < 0 && errno == EINTR
            if count > 0 { buffer += chunk[..<count] }
            return count
        }
        if count < 0 {
            throw CommandFailure(
                ExitStatus.failure,
                "cannot read standard input: \(String(cString: strerror(errno)))"
            )
        }
        isAtEnd = count == 0
    }
}
