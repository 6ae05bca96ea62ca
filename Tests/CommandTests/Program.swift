import Glibc
import MongoDriver
import Synchronization
import TestSupport
import Testing
import Threads

/// One of our executables, as somebody at a shell starts it.
final class Program: Sendable {
    private struct State {
        var output: [UInt8] = []
        var errors: [UInt8] = []
        var openStreams = 2
        var status: Int32?
    }

    let pid: pid_t
    private let input: CInt
    private let state = Mutex(State())

    private init(pid: pid_t, input: CInt) {
        self.pid = pid
        self.input = input
    }

    /// The build's folder, where the test bundle lies too.
    static let folder: String = {
        guard let path = realpath("/proc/self/exe", nil) else { return "." }
        defer { free(path) }
        let text = String(cString: path)
        // `swift test` runs the bundle itself.
        return text.lastIndex(of: "/").map { String(text[..<$0]) } ?? "."
    }()

    /// - Parameter environment: Everything that the program finds there.
    static func start(_ name: String, _ arguments: [String], environment: [String: String]) throws -> Program {
        let path = name.contains("/") ? name : "\(folder)/\(name)"
        // One at a time: a pipe's end that another program inherits would never close.
        return try starting.withLock { _ in try startAlone([path] + arguments, environment) }
    }

    /// A daemon, as a user that is not root.
    ///
    /// - Parameter host: What its machine calls itself, in a name space of its own.
    static func startDaemon(
        _ arguments: [String],
        host: String? = nil,
        environment: [String: String]
    ) throws -> Program {
        var command = Unprivileged.command(["\(try Unprivileged.programs())/tensorhubd"] + arguments)
        if let host {
            let name = #"echo "$0" > /proc/sys/kernel/hostname && exec "$@""#
            command =
                ["unshare", "--uts"] + (geteuid() == 0 ? [] : ["--user", "--map-root-user"])
                + ["sh", "-c", name, host] + command
        }
        return try starting.withLock { _ in try startAlone(command, environment) }
    }

    /// Whether a daemon can be given a name for its machine.
    static let namesHosts: Bool = {
        let words = ["unshare", "--uts"] + (geteuid() == 0 ? [] : ["--user", "--map-root-user"])
        let command = words + ["sh", "-c", "'echo a > /proc/sys/kernel/hostname'", "2>/dev/null"]
        return system(command.joined(separator: " ")) == 0
    }()

    private static let starting = Mutex(())

    private static func startAlone(
        _ command: [String],
        _ environment: [String: String]
    ) throws -> Program {
        let (inputReader, inputWriter) = try pipe()
        let (outputReader, outputWriter) = try pipe()
        let (errorReader, errorWriter) = try pipe()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, inputReader, 0)
        posix_spawn_file_actions_adddup2(&actions, outputWriter, 1)
        posix_spawn_file_actions_adddup2(&actions, errorWriter, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        var words: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in words + variables { free(text) } }
        var pid: pid_t = 0
        let status = posix_spawnp(&pid, command[0], &actions, &attributes, &words, &variables)
        for descriptor in [inputReader, outputWriter, errorWriter] { close(descriptor) }
        guard status == 0 else {
            for descriptor in [inputWriter, outputReader, errorReader] { close(descriptor) }
            throw ProgramFailure(message: "\(command[0]): \(String(cString: strerror(status)))")
        }
        let program = Program(pid: pid, input: inputWriter)
        program.collect(outputReader) { $0.output += $1 }
        program.collect(errorReader) { $0.errors += $1 }
        return program
    }

    private static func pipe() throws -> (CInt, CInt) {
        var ends: [CInt] = [0, 0]
        guard Glibc.pipe(&ends) == 0 else { throw ProgramFailure(message: String(cString: strerror(errno))) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    private func collect(_ descriptor: CInt, _ store: @escaping @Sendable (inout State, [UInt8]) -> Void) {
        _ = BlockingThread.start(name: "output") {
            var chunk = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = read(descriptor, &chunk, chunk.count)
                if count < 0, errno == EINTR { continue }
                if count <= 0 { break }
                self.state.withLock { store(&$0, Array(chunk[..<count])) }
            }
            close(descriptor)
            self.endStream()
        }
    }

    /// Both streams ended: then it is ending, or has given them away.
    private func endStream() {
        let isLast = state.withLock { state in
            state.openStreams -= 1
            return state.openStreams == 0
        }
        guard isLast else { return }
        var status: CInt = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        let isExit = status & 0x7F == 0
        state.withLock { $0.status = isExit ? (status >> 8) & 0xFF : -(status & 0x7F) }
    }

    /// Writes to its standard input and closes that.
    func send(_ text: String) {
        write(text)
        close(input)
    }

    /// Writes to its standard input.
    func write(_ text: String) {
        let bytes = Array(text.utf8)
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(input, $0.baseAddress! + offset, bytes.count - offset) }
            if count <= 0 { break }
            offset += count
        }
    }

    func signal(_ number: CInt) {
        state.withLock { if $0.status == nil { _ = kill(pid, number) } }
    }

    var output: String { state.withLock { String(decoding: $0.output, as: UTF8.self) } }
    var errors: String { state.withLock { String(decoding: $0.errors, as: UTF8.self) } }
    /// The exit status; the negative number of the signal that ended it; `nil` while it runs.
    var status: Int32? { state.withLock { $0.status } }
}

struct ProgramFailure: Error {
    var message: String
}

/// What a program left behind.
struct ProgramResult: Sendable {
    var status: Int32
    var output: String
    var errors: String

    var lines: [String] { output.split(separator: "\n").map(String.init) }

    /// From 0 on; empty where there is none, since a trap would end the tests of all others.
    func line(_ number: Int) -> String { lines.dropFirst(number).first ?? "" }
}
