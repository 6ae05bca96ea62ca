import BSON
import Files
import Glibc

extension AttemptDirectory {
    /// What the attempt came to, once its supervisor has ended. Reads what the decision needs and no more.
    ///
    /// - Parameters:
    ///   - facts: What the caller knows; `stop-reason` tells where the caller has given no reason to stop.
    ///   - output: for the last lines of a script that failed.
    ///   - wasTakenOver: whether `pids.json` has told of a supervisor that lived: then it must be there.
    func conclude(
        _ facts: AttemptFacts,
        output: OutputReader,
        wasTakenOver: Bool = false
    ) throws(FileError) -> (record: ExitRecord?, outcome: AttemptOutcome, lack: String?) {
        var facts = facts
        facts.isJournalLost = true
        try withJournal { (journal) throws(FileError) in try read(journal, &facts, wasTakenOver: wasTakenOver) }
        var outcome = facts.outcome
        if case .failed(.missingResult, _, _) = outcome {
            facts.refusedResults = try refusedResults()
            if !facts.refusedResults.isEmpty { outcome = facts.outcome }
        }
        guard case .failed = outcome, facts.record?.outputBytes != 0 else { return (facts.record, outcome, facts.lack) }
        do throws(FileError) { facts.tail = try output.tail() } catch {
            // What the script has made of its output does not change how it ended.
            if error.mayPass { throw error }
        }
        return (facts.record, facts.outcome, facts.lack)
    }

    private func read(
        _ journal: borrowing LocalFolder,
        _ facts: inout AttemptFacts,
        wasTakenOver: Bool
    ) throws(FileError) {
        let stopReason = facts.stopReason
        var record = try Self.exitRecord(journal)
        // A supervisor that was killed has not written that it obeyed a stop, least of all one that nobody ordered.
        if case .signaled = facts.supervisor, stopReason == nil, record?.stopped == "request" { record = nil }
        facts.record = record
        // One that could not begin has not written this file.
        if record == nil, facts.supervisor.isFailedStart, journal.status("pids.json") != nil {
            facts.supervisor = .unknown
        }
        facts.isJournalLost = record == nil ? try !isSupervisors(journal, mustTell: wasTakenOver) : false
        if record?.exit == 0 {
            facts.resultFile = try journal.read("result.json", limit: Self.resultLimit)
            facts.reportedResult = try Self.reportedResult(journal)
        }
        if let exit = record?.exit, exit != 0, record?.stopped == nil {
            facts.fault = try journal.read("result.json.fault", limit: 1 << 16).flatMap(ScriptFault.init)
        }
        let mayTell = record == nil ? !facts.isJournalLost : record?.stopped != nil
        if stopReason == nil, mayTell { facts.stopReason = try Self.stopReason(journal) }
        // Of an attempt of its own a runner knows whether it has ordered a stop; the script can write to the file too.
        if stopReason == nil, record == nil, facts.supervisor.isOfChild,
            facts.stopReason.flatMap(AttemptOutcome.failure) == nil
        {
            facts.stopReason = nil
        }
    }

    /// Why results that a Python script has are not in its result file; empty where nothing is said of that.
    private func refusedResults() throws(FileError) -> BSONDocument {
        let file = try withJournal { (journal) throws(FileError) in
            try journal.read("result.json.refused", limit: 1 << 20)
        }
        return file.flatMap { $0 }.flatMap { try? BSONDocument(extendedJSON: $0) } ?? [:]
    }

    /// Hyper-parameters that a Python script has no use for, as the client has seen before it ran.
    func unusedParameters() throws(FileError) -> [String] {
        let file = try withJournal { (journal) throws(FileError) in
            try journal.read("result.json.unused", limit: 1 << 16)
        }
        return file.flatMap { $0 }.flatMap { try? BSONValue(extendedJSON: $0) }?.arrayValue?.compactMap(\.stringValue)
            ?? []
    }

    /// Whether the folder is the one that the supervisor has as its journal. Without `pids.json`, as a power cut may
    /// leave it, only who has seen one before knows better.
    private func isSupervisors(_ journal: borrowing LocalFolder, mustTell: Bool) throws(FileError) -> Bool {
        guard let bytes = try journal.read("pids.json", limit: 1 << 16), let processes = AttemptProcesses(json: bytes)
        else { return !mustTell }
        guard let inode = processes.journal else { return true }
        var status = stat()
        guard fstat(journal.descriptor, &status) == 0 else { throw FileError("examine", journalPath) }
        return UInt64(status.st_ino) == inode
    }
}
