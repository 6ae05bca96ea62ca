package import BSON
import Glibc

/// What an attempt came to: decided from facts alone, so that a restarted runner comes to the same.
package enum AttemptOutcome: Sendable, Equatable {
    case finished(result: BSONDocument)
    /// `tail` is at most 8 KiB of the end of the output.
    case failed(kind: Kind, message: String, tail: String)
    /// It was asked to end, for that reason, and has ended without a result.
    case stopped(reason: String)
    /// Exit status 85: the script has stored a checkpoint and wants to be run again.
    case checkpointed
    /// Nobody knows how it went: what watched it is gone.
    case lost(kind: Kind, message: String)

    /// What went wrong, as `hub.error.kind` has it.
    package enum Kind: String, Sendable {
        case exitStatus = "exit-status"
        /// A Python script fails wherever it runs: a syntax error of its own, a name that is none.
        case scriptError = "script-error"
        /// A Python script did not find a module or a file, which another machine may have.
        case machineLacks = "machine-lacks"
        case signal
        /// The kernel killed it for want of memory.
        case outOfMemory = "out-of-memory"
        case timeout
        /// It printed nothing for too long.
        case stall
        case missingResult = "missing-result"
        case badResult = "bad-result"
        case cannotStart = "cannot-start"
        /// The script deleted its journal, or put something else in its place.
        case journalLost = "journal-lost"
        case supervisorLost = "supervisor-lost"
        /// The supervisor was stopped (SIGSTOP) again and again, which only the script has a reason for.
        case supervisorStopped = "supervisor-stopped"
        /// The machine was restarted under it.
        case hostRestarted = "host-restarted"
    }

    /// The reason of a stop that nobody asked for: this machine could not run the script, another one may.
    package static let machineFault = "machine"

    /// "Run me again", as in HTCondor.
    package static let checkpointStatus: Int32 = 85

    /// What a script has failed by whose supervisor did not come to report that; nil for a stop that is no failure.
    static func failure(ofStop reason: String) -> (Kind, String)? {
        switch Kind(rawValue: reason) {
        case .timeout: (.timeout, "the script ran into its time-out, and its supervisor did not report its end")
        case .stall:
            (
                .stall,
                "the script printed nothing for longer than its stall limit, and its supervisor did not report its end"
            )
        case .supervisorStopped:
            (.supervisorStopped, "the script's supervisor was stopped again and again, until this runner killed both")
        default: nil
        }
    }

    /// UTF-8 whatever the script printed, without NUL, of at most 8 KiB.
    static func text(ofTail bytes: [UInt8]) -> String {
        // The first character may have been cut in two.
        let start = bytes.prefix(3).prefix { $0 & 0xC0 == 0x80 }.count
        let text = String(decoding: bytes.dropFirst(start < 4 && bytes.count > 3 ? start : 0), as: UTF8.self)
        var scalars = String.UnicodeScalarView()
        var count = 0
        for scalar in text.unicodeScalars.reversed() {
            let scalar = scalar == "\0" ? "\u{FFFD}" : scalar
            count += UTF8.width(scalar)
            guard count <= 8192 else { break }
            scalars.append(scalar)
        }
        return String(String.UnicodeScalarView(scalars.reversed()))
    }

    static func name(ofSignal signal: Int32) -> String {
        let names: [Int32: String] = [
            1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE",
            9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM",
            24: "SIGXCPU", 25: "SIGXFSZ", 31: "SIGSYS",
        ]
        return names[signal] ?? "unnamed"
    }
}
