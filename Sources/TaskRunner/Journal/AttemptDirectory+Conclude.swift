import BSON
import Glibc

extension AttemptDirectory {
    /// What the attempt came to, once its supervisor has ended. Reads what the decision needs and no more.
    ///
    /// - Parameters:
    ///   - supervisor: from ``SupervisorProcess/wait()``.
    ///   - stopReason: why the caller asked the script to end; `stop-reason` tells where the caller does not know.
    ///   - output: for the last lines of a script that failed.
    ///   - resultLimit: bytes of BSON that the task's document has room for.
    ///   - wasTakenUp: whether `pids.json` has told of a supervisor that lived: then it must be there.
    package func conclude(
        supervisor: SupervisorProcess.Ending,
        savedResultKeys: [String],
        stopReason: String? = nil,
        output: OutputReader,
        resultLimit: Int = Self.resultLimit,
        wasTakenUp: Bool = false
    ) throws(AttemptError) -> (report: ExitRecord?, outcome: AttemptOutcome) {
        var report: ExitRecord?
        var result: [UInt8]?
        var reported: BSONDocument? = [:]
        var refused: BSONDocument = [:]
        var reason = stopReason
        var isJournalLost = true
        var supervisor = supervisor
        try withJournal { (journal) throws(AttemptError) in
            report = try Self.exitRecord(journal)
            // A supervisor that was killed has not written that it obeyed a stop, least of all one that nobody ordered.
            if case .signaled = supervisor, reason == nil, report?.stopped == "request" { report = nil }
            // One that could not begin has not written this file.
            if report == nil, supervisor.isFailedStart, journal.status("pids.json") != nil { supervisor = .unknown }
            isJournalLost = report == nil ? try !isSupervisors(journal, mustTell: wasTakenUp) : false
            if report?.exit == 0 {
                result = try journal.read("result.json", limit: Self.resultLimit)
                reported = try Self.reportedResult(journal)
            }
            let mayTell = report == nil ? !isJournalLost : report?.stopped != nil
            if reason == nil, mayTell { reason = try Self.stopReason(journal) }
            // Of an attempt of its own a runner knows whether it has ordered a stop; the script can write to the file
            // too.
            if stopReason == nil, report == nil, supervisor.isOfChild, reason.flatMap(AttemptOutcome.failure) == nil {
                reason = nil
            }
        }
        func outcome(tail: [UInt8]) -> AttemptOutcome {
            AttemptOutcome(
                report: report,
                supervisor: supervisor,
                resultFile: result,
                reportedResult: reported,
                refusedResults: refused,
                savedResultKeys: savedResultKeys,
                stopReason: reason,
                tail: tail,
                resultLimit: resultLimit,
                isJournalLost: isJournalLost
            )
        }
        var first = outcome(tail: [])
        if case .failed(.missingResult, _, _) = first {
            refused = try refusedResults()
            if !refused.isEmpty { first = outcome(tail: []) }
        }
        guard case .failed = first, report?.outputBytes != 0 else { return (report, first) }
        do throws(AttemptError) { return (report, outcome(tail: try output.tail())) } catch {
            // What the script has made of its output does not change how it ended.
            if error.mayPass { throw error }
            return (report, first)
        }
    }

    /// Why results that a Python script has are not in its result file; empty where nothing is said of that.
    private func refusedResults() throws(AttemptError) -> BSONDocument {
        let file = try withJournal { (journal) throws(AttemptError) in
            try journal.read("result.json.refused", limit: 1 << 20)
        }
        return file.flatMap { $0 }.flatMap { try? BSONDocument(extendedJSON: $0) } ?? [:]
    }

    /// Whether the folder is the one that the supervisor has as its journal. Without `pids.json`, as a power cut may
    /// leave it, only who has seen one before knows better.
    private func isSupervisors(_ journal: borrowing LocalFolder, mustTell: Bool) throws(AttemptError) -> Bool {
        guard let bytes = try journal.read("pids.json", limit: 1 << 16), let processes = AttemptProcesses(json: bytes)
        else { return !mustTell }
        guard let inode = processes.journal else { return true }
        var status = stat()
        guard fstat(journal.descriptor, &status) == 0 else { throw .call("examine", journalPath) }
        return UInt64(status.st_ino) == inode
    }
}
