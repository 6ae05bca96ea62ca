import Files
import Glibc

/// What programs read. Ids, documents and tables go here; words for people go to `StandardError`.
package enum StandardOutput {
    package static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Columns of the terminal; `nil` when the output goes elsewhere.
    package static var width: Int? { isTerminal ? terminalWidth(STDOUT_FILENO) : nil }

    /// Whether states and failures are in colours here.
    package static var hasColours: Bool { ColourChoice.current.hasColours(isTerminal: isTerminal) }

    package static func line(_ text: String) { write(text + "\n") }

    package static func write(_ text: String) { write(Array(text.utf8)) }

    /// Ends the process where nobody reads any more, or the disk is full.
    package static func write(_ bytes: [UInt8]) {
        guard let fault = writeAll(bytes, to: STDOUT_FILENO) else { return }
        if fault == EPIPE { _exit(ExitStatus.outputClosed) }
        StandardError.line("cannot write to standard output: \(words(fault))")
        _exit(ExitStatus.failure)
    }

    /// What tells of something that was done and is nowhere else to be read: the ids of what was created. Where it
    /// cannot be written it goes to standard error, and the process ends with status 1.
    ///
    /// - Parameter note: What else to say then.
    package static func receipt(_ text: String, note: String? = nil) {
        guard let fault = writeAll(Array(text.utf8), to: STDOUT_FILENO) else { return }
        StandardError.line("cannot write to standard output: \(words(fault)); this would stand there:")
        StandardError.write(text)
        if let note { StandardError.line(note) }
        _exit(ExitStatus.failure)
    }

    private static func words(_ fault: CInt) -> String {
        fault == EBADF ? "it is closed" : FileError.reason(fault)
    }
}

/// What people read.
package enum StandardError {
    package static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
    package static var width: Int { terminalWidth(STDERR_FILENO) ?? 80 }

    package static func line(_ text: String) { write(text + "\n") }

    /// Nobody could be told that it failed.
    package static func write(_ text: String) { _ = writeAll(Array(text.utf8), to: STDERR_FILENO) }
}

/// What is typed or piped into the command.
package enum StandardInput {
    package static var isTerminal: Bool { isatty(STDIN_FILENO) == 1 }

    /// All of it.
    package static func read() throws(CommandFailure) -> [UInt8] {
        var bytes: [UInt8] = []
        while let more = try chunk(upTo: 65_536) { bytes += more }
        return bytes
    }

    /// What comes next; `nil` at the end. Waits for it.
    package static func chunk(upTo size: Int = 1 << 20) throws(CommandFailure) -> [UInt8]? {
        while true {
            var fault: CInt = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, filled in
                let count = Glibc.read(STDIN_FILENO, buffer.baseAddress, size)
                if count < 0 { fault = errno }
                filled = max(0, count)
            }
            if fault == 0 { return bytes.isEmpty ? nil : bytes }
            if fault != EINTR {
                throw CommandFailure.failure("cannot read standard input: \(FileError.reason(fault))")
            }
        }
    }
}

/// Returns the fault, if there is one.
private func writeAll(_ bytes: [UInt8], to descriptor: CInt) -> CInt? {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if count >= 0 {
            rest = rest.dropFirst(count)
        } else if errno == EAGAIN {
            // Somebody made the pipe non-blocking.
            var poller = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            poll(&poller, 1, -1)
        } else if errno != EINTR {
            return errno
        }
    }
    return nil
}

private func terminalWidth(_ descriptor: CInt) -> Int? {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
    return Int(size.ws_col)
}
