import Glibc
import Threads

/// The end of standard input.
enum EndOfInput {
    /// Finishes when there is nothing more to read, ever. What comes is thrown away.
    static func watch() -> AsyncStream<Never> {
        let (stream, end) = AsyncStream.makeStream(of: Never.self)
        let isStarted = BlockingThread.start(name: "stdin") {
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = read(STDIN_FILENO, &buffer, buffer.count)
                if count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN) { break }
            }
            end.finish()
        }
        if !isStarted { end.finish() }
        return stream
    }
}
