import Console

/// The lines of standard input as they come: all that are there already, at once.
struct InputLines {
    private var buffer: [UInt8] = []
    private var isAtEnd = false
    /// So much of the buffer has no line end.
    private var searched = 0

    /// Waits for a line; `nil` at the end.
    ///
    /// - Throws: A failure of status 2 for a line that nothing could store.
    mutating func next(atMost limit: Int) async throws(CommandFailure) -> [[UInt8]]? {
        while true {
            var lines: [[UInt8]] = []
            var start = 0
            while lines.count < limit, let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                lines.append(Array(buffer[start..<end]))
                start = end + 1
                searched = start
            }
            // With enough lines the rest was not looked at.
            searched = lines.count < limit ? buffer.count - start : 0
            buffer.removeFirst(start)
            if !lines.isEmpty { return lines }
            if isAtEnd {
                if buffer.isEmpty { return nil }
                defer {
                    buffer = []
                    searched = 0
                }
                return [buffer]
            }
            if buffer.count > JSONLine.longest {
                throw .badInput(
                    "a line of standard input has more than \(JSONLine.longest) bytes; write one object a line"
                )
            }
            // The command has nothing else to do meanwhile.
            if let more = try StandardInput.chunk(upTo: 65_536) { buffer += more } else { isAtEnd = true }
        }
    }
}
