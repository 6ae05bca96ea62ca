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

    /// - Parameters:
    ///   - report: nil when the supervisor left none.
    ///   - supervisor: how the supervisor ended.
    ///   - resultFile: its bytes, nil when there is none.
    ///   - reportedResult: what the script API was told, nil when the disk has damaged it.
    ///   - refusedResults: why results that the script has are not in its result file, each a text.
    ///   - stopReason: what the runner wrote when it asked the script to end.
    ///   - tail: the last bytes of the output.
    ///   - resultLimit: bytes of BSON that the task's document has room for.
    ///   - isJournalLost: whether there is no journal any more, or another folder has its name.
    package init(
        report: ExitRecord?,
        supervisor: SupervisorProcess.Ending,
        resultFile: [UInt8]?,
        reportedResult: BSONDocument? = [:],
        refusedResults: BSONDocument = [:],
        savedResultKeys: [String],
        stopReason: String?,
        tail: [UInt8],
        resultLimit: Int = AttemptDirectory.resultLimit,
        isJournalLost: Bool = false
    ) {
        let tail = Self.text(ofTail: tail)
        func failed(_ kind: Kind, _ message: String) -> AttemptOutcome {
            .failed(kind: kind, message: message, tail: tail)
        }
        func result() -> Result<BSONDocument, ResultFault> {
            Self.result(
                resultFile,
                reported: reportedResult,
                refused: refusedResults,
                keys: savedResultKeys,
                limit: resultLimit
            )
        }
        guard let report else {
            if let (kind, message) = stopReason.flatMap(Self.failure(ofStop:)) {
                self = failed(kind, message)
            } else if let stopReason {
                // Whoever wanted it to end has got that, however it ended.
                self = .stopped(reason: stopReason)
            } else if let (kind, message) = Self.withoutReport(supervisor) {
                let isTheScripts = kind == .journalLost || isJournalLost
                self = isTheScripts ? failed(.journalLost, Self.ruined) : .lost(kind: kind, message: message)
            } else {
                self = .stopped(reason: Self.machineFault)
            }
            return
        }
        if let number = report.startError, let error = report.error {
            let failure = failed(.cannotStart, "the script could not be started: \(error)")
            // An exec failed for want of something, and not for what it was asked to execute.
            self = AttemptError.isShortage(number) ? .stopped(reason: Self.machineFault) : failure
            return
        }
        if let kind = report.stopped.flatMap(Kind.init(rawValue:)), kind == .timeout || kind == .stall {
            let message =
                kind == .timeout
                ? "the script ran into its time-out and was stopped after \(report.duration)"
                : "the script printed nothing for longer than its stall limit and was stopped after \(report.duration)"
            // It may have used the grace period to store a checkpoint.
            self = report.exit == Self.checkpointStatus ? .checkpointed : failed(kind, message)
            return
        }
        if report.stopped != nil {
            let proven = result()
            let proves = !savedResultKeys.isEmpty
            self = Self.afterStop(report, stopReason ?? "request", result: proves ? try? proven.get() : nil)
            return
        }
        if let signal = report.signal {
            if report.isOutOfMemory {
                let peak = (report.peakMemory + (1 << 19)) >> 20
                self = failed(
                    .outOfMemory,
                    "the kernel killed the script for want of memory; its largest process had \(peak) MiB"
                )
                return
            }
            let hint = signal == 9 ? ", which this runner has not sent" : ""
            self = failed(.signal, "the script was ended by signal \(signal) (\(Self.name(ofSignal: signal)))\(hint)")
            return
        }
        switch report.exit {
        case 0?:
            switch result() {
            case .success(let result): self = .finished(result: result)
            case .failure(let fault): self = failed(fault.kind, fault.message)
            }
        case Self.checkpointStatus?: self = .checkpointed
        case let status?: self = failed(.exitStatus, "the script ended with exit status \(status)")
        case nil:
            let message = report.error ?? "the supervisor does not say how the script ended"
            self = .lost(kind: .supervisorLost, message: message)
        }
    }

    /// A script that was asked to end may use its grace period to finish. That counts where it proves it by the results
    /// that were asked for, but never after a cancel, nor where the attempt is somebody else's.
    private static func afterStop(_ report: ExitRecord, _ reason: String, result: BSONDocument?) -> AttemptOutcome {
        guard reason == "drain" || reason == "outage" else { return .stopped(reason: reason) }
        if report.exit == checkpointStatus { return .checkpointed }
        if report.exit == 0, let result { return .finished(result: result) }
        return .stopped(reason: reason)
    }

    private static let ruined =
        "the script has deleted or replaced the journal of its attempt directory; how it ended is lost with it"

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

    /// Nil when the supervisor could not even begin.
    private static func withoutReport(_ supervisor: SupervisorProcess.Ending) -> (Kind, String)? {
        switch supervisor {
        case .exited(0), .exited(75):
            (.journalLost, ruined)
        case .exited(74):
            (.supervisorLost, "the supervisor could not write how the script ended; the disk may be full")
        case .exited:
            nil
        case .signaled(let signal):
            (.supervisorLost, "the supervisor was killed by signal \(signal) (\(name(ofSignal: signal)))")
        case .unknown:
            (.supervisorLost, "the supervisor ended without saying how the script did")
        case .otherBoot:
            (.hostRestarted, "the machine was restarted while the script ran")
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
