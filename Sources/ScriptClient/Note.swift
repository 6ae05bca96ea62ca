import Glibc

/// What a person should read: in a task, a line of its output.
enum Note {
    static func write(_ words: String) {
        let line = Array("tensorhub: \(words)\n".utf8)
        // Whoever has closed standard error does not want it.
        _ = Glibc.write(STDERR_FILENO, line, line.count)
    }
}
