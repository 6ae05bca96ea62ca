import BSON
import Files

/// What is known of an attempt whose supervisor has ended, and what that comes to. Decisions only.
struct AttemptFacts: Sendable {
    /// `nil` where the supervisor left none.
    var record: ExitRecord?
    /// How the supervisor ended.
    var supervisor: SupervisorProcess.Ending
    /// Its bytes; `nil` where there is none.
    var resultFile: [UInt8]?
    /// What the script API was told; `nil` where the disk has damaged it.
    var reportedResult: BSONDocument? = [:]
    /// Why results that the script has are not in its result file, each a text.
    var refusedResults: BSONDocument = [:]
    var savedResultKeys: [String]
    /// What has ended a Python script that failed.
    var fault: ScriptFault?
    /// What the runner wrote when it asked the script to end.
    var stopReason: String?
    /// The last bytes of the output.
    var tail: [UInt8] = []
    /// Bytes of BSON that the task's document has room for.
    var resultLimit = AttemptDirectory.resultLimit
    /// Whether there is no journal any more, or another folder has its name.
    var isJournalLost = false

    var outcome: AttemptOutcome {
        guard let record else { return withoutRecord }
        if let number = record.startError, let error = record.error {
            // An exec failed for want of something, and not for what it was asked to execute.
            if FileError.mayPass(number) { return .stopped(reason: AttemptOutcome.machineFault) }
            return failed(.cannotStart, "the script could not be started: \(error)")
        }
        if let stopped = record.stopped { return outcome(record, stopped: stopped) }
        if let signal = record.signal { return outcome(record, signal: signal) }
        switch record.exit {
        case 0?:
            switch result {
            case .success(let result): return .finished(result: result)
            case .failure(let fault): return failed(fault.kind, fault.message)
            }
        case AttemptOutcome.checkpointStatus?: return .checkpointed
        case _? where fault?.ownError != nil:
            return failed(.scriptError, "the script fails wherever it runs: \(fault?.ownError ?? "")")
        case _? where fault?.lack != nil:
            return failed(.machineLacks, "the machine has \(fault?.lack ?? "")")
        case let status?: return failed(.exitStatus, "the script ended with exit status \(status)")
        case nil:
            let message = record.error ?? "the supervisor does not say how the script ended"
            return .lost(kind: .supervisorLost, message: message)
        }
    }

    /// What the machine does not have, where that is why the attempt failed.
    var lack: String? {
        switch outcome {
        case .failed(.machineLacks, _, _): fault?.lack
        case .failed(.cannotStart, _, _): ScriptFault.lack(ofStart: record?.startError, record?.error)
        default: nil
        }
    }

    private func failed(_ kind: AttemptOutcome.Kind, _ message: String) -> AttemptOutcome {
        .failed(kind: kind, message: message, tail: AttemptOutcome.text(ofTail: tail))
    }

    private var result: Result<BSONDocument, AttemptOutcome.ResultFault> {
        AttemptOutcome.result(
            resultFile,
            reported: reportedResult,
            refused: refusedResults,
            keys: savedResultKeys,
            limit: resultLimit
        )
    }

    private func outcome(_ record: ExitRecord, signal: Int32) -> AttemptOutcome {
        if record.isOutOfMemory {
            let peak = (record.peakMemory + (1 << 19)) >> 20
            return failed(
                .outOfMemory,
                "the kernel killed the script for want of memory; its largest process had \(peak) MiB"
            )
        }
        let hint = signal == 9 ? ", which this runner has not sent" : ""
        let name = AttemptOutcome.name(ofSignal: signal)
        return failed(.signal, "the script was ended by signal \(signal) (\(name))\(hint)")
    }

    // MARK: Stopped

    private func outcome(_ record: ExitRecord, stopped: String) -> AttemptOutcome {
        let isCheckpoint = record.exit == AttemptOutcome.checkpointStatus
        if let kind = AttemptOutcome.Kind(rawValue: stopped), kind == .timeout || kind == .stall {
            let message =
                kind == .timeout
                ? "the script ran into its time-out and was stopped after \(record.duration)"
                : "the script printed nothing for longer than its stall limit and was stopped after \(record.duration)"
            // It may have used the grace period to store a checkpoint.
            return isCheckpoint ? .checkpointed : failed(kind, message)
        }
        // A script that was asked to end may use its grace period to finish. That counts where it proves it by the
        // results that were asked for, but never after a cancel, nor where the attempt is somebody else's.
        let reason = stopReason ?? "request"
        guard reason == StopReason.drain.rawValue || reason == StopReason.outage.rawValue else {
            return .stopped(reason: reason)
        }
        if isCheckpoint { return .checkpointed }
        if record.exit == 0, !savedResultKeys.isEmpty, let result = try? result.get() {
            return .finished(result: result)
        }
        return .stopped(reason: reason)
    }

    // MARK: Without a record

    private var withoutRecord: AttemptOutcome {
        if let (kind, message) = stopReason.flatMap(AttemptOutcome.failure(ofStop:)) { return failed(kind, message) }
        // Whoever wanted it to end has got that, however it ended.
        if let stopReason { return .stopped(reason: stopReason) }
        guard let (kind, message) = loss else { return .stopped(reason: AttemptOutcome.machineFault) }
        let isTheScripts = kind == .journalLost || isJournalLost
        return isTheScripts ? failed(.journalLost, Self.ruined) : .lost(kind: kind, message: message)
    }

    private static let ruined =
        "the script has deleted or replaced the journal of its attempt directory; how it ended is lost with it"

    /// Nil when the supervisor could not even begin.
    private var loss: (AttemptOutcome.Kind, String)? {
        switch supervisor {
        case .exited(0), .exited(75):
            (.journalLost, Self.ruined)
        case .exited(74):
            (.supervisorLost, "the supervisor could not write how the script ended; the disk may be full")
        case .exited:
            nil
        case .signaled(let signal):
            (
                .supervisorLost,
                "the supervisor was killed by signal \(signal) (\(AttemptOutcome.name(ofSignal: signal)))"
            )
        case .unknown:
            (.supervisorLost, "the supervisor ended without saying how the script did")
        case .otherBoot:
            (.hostRestarted, "the machine was restarted while the script ran")
        }
    }
}
