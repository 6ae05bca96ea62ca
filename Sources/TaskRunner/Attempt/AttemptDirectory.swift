package import BSON
import CLinux
import Glibc

/// `<state>/attempts/<task id>.<attempt>/`: everything about one attempt on local disk, and what a restarted runner
/// knows of it. Every call blocks: for pool threads only.
///
/// ```
/// journal/     ours: task.json claim.json pids.json output.log exit.json result.json stop-reason
///              and of the script API: api-result.bson data-sets.bson unsent.jsonl outbox/ kept/ spool/
/// work/        the script and its files; the script's working directory
/// checkpoint/
/// datasets/    what the script has fetched
/// s            the script API's socket
/// ```
///
/// `claim.json` is the last file that ``create(_:command:in:)`` writes. A directory without it is what is left of a
/// start or of a removal that was cut short: nothing ran in it.
package struct AttemptDirectory: Sendable, Hashable {
    package let taskID: ObjectID
    package let attempt: Int32
    /// The folder of all attempts.
    let parent: String

    package init(taskID: ObjectID, attempt: Int32, in parent: String) {
        self.taskID = taskID
        self.attempt = attempt
        self.parent = parent
    }

    package var name: String { "\(taskID).\(attempt)" }
    package var path: String { "\(parent)/\(name)" }
    package var journalPath: String { "\(path)/journal" }
    package var workPath: String { "\(path)/work" }
    package var checkpointPath: String { "\(path)/\(Self.checkpointName)" }
    static let checkpointName = "checkpoint"
    package var taskFilePath: String { "\(path)/journal/task.json" }
    package var resultFilePath: String { "\(path)/journal/result.json" }
    package var outputPath: String { "\(path)/journal/output.log" }
    /// What the script has written and MongoDB has not got.
    var outboxPath: String { "\(path)/journal/outbox" }
    /// The files that belong to it.
    var keptPath: String { "\(path)/journal/kept" }
    /// Where bodies of requests arrive.
    var spoolPath: String { "\(path)/journal/spool" }
    /// What the Python client could not send.
    var unsentPath: String { "\(path)/journal/unsent.jsonl" }
    /// Links to this machine's cache.
    var fetchedPath: String { "\(path)/datasets" }
    var socketPath: String { "\(path)/s" }

    // MARK: Life

    /// Lays the attempt out. Nothing is synced: an attempt that a power cut takes away was not started either.
    package static func create(
        _ plan: AttemptPlan,
        command: ScriptCommand,
        in parent: String
    ) throws(AttemptError) -> AttemptDirectory {
        for file in plan.files { try check(path: file.path, scriptName: command.scriptName) }
        let directory = AttemptDirectory(taskID: plan.taskID, attempt: plan.attempt, in: parent)
        guard mkdir(directory.path, 0o755) == 0 else { throw .call("make folder", directory.path) }
        do throws(AttemptError) {
            try directory.fill(plan, scriptName: command.scriptName)
        } catch {
            try? directory.remove()
            throw error
        }
        return directory
    }

    private func fill(_ plan: AttemptPlan, scriptName: String) throws(AttemptError) {
        let folder = try LocalFolder(path)
        try folder.makeFolder("journal", mode: 0o700)
        try folder.makeFolder("work", mode: 0o755)
        try folder.makeFolder("checkpoint", mode: 0o755)
        let work = try LocalFolder("work", in: folder)
        try work.create(scriptName, plan.script, mode: 0o755)
        for file in plan.files { try Self.write(file, in: work) }
        let journal = try LocalFolder("journal", in: folder)
        if plan.socketPath != nil { try journal.makeFolder("spool", mode: 0o700) }
        try journal.create("task.json", Array(plan.task.extendedJSON(.relaxed).utf8))
        try journal.replace("claim.json", AttemptClaim(plan).bytes)
    }

    /// Names another runner as the one that looks after it.
    package func write(_ claim: AttemptClaim) throws(AttemptError) {
        try LocalFolder(journalPath).replace("claim.json", claim.bytes)
    }

    package enum Abandonment: Sendable {
        /// No supervisor will ever start the script.
        case abandoned
        /// A supervisor is at work.
        case busy
        /// A supervisor has started the script, and is gone.
        case ended
    }

    /// Keeps a supervisor that has not started the script yet from ever doing so.
    package func abandon() throws(AttemptError) -> Abandonment {
        try withJournal { (journal) throws(AttemptError) in
            // The lock ends with the descriptor.
            guard tensorhub_lock(journal.descriptor, 0) == 0 else {
                if errno == EWOULDBLOCK { return .busy }
                throw .call("lock", journalPath)
            }
            // It may have come and gone before we had the lock.
            if faccessat(journal.descriptor, "pids.json", F_OK, 0) == 0 { return .ended }
            guard unlinkat(journal.descriptor, "claim.json", 0) == 0 || errno == ENOENT else {
                throw .call("remove", "\(journalPath)/claim.json")
            }
            return .abandoned
        } ?? .abandoned
    }

    /// Attempts whose results do not count are kept for people to look at: so many, the newest.
    static let keptLimit = 20

    /// Moves the directory to `<state>/lost/`, out of the way of further attempts.
    package func keepForInspection() throws(AttemptError) -> String {
        let folder = "\(parent)/../lost"
        guard mkdir(folder, 0o755) == 0 || errno == EEXIST else { throw .call("make folder", folder) }
        let lost = try LocalFolder(folder)
        try lost.removeTree(name)
        // Without it, nobody takes it for an attempt again.
        unlink("\(journalPath)/claim.json")
        guard rename(path, "\(folder)/\(name)") == 0 else { throw .call("rename", path) }
        let kept = try lost.names().map { name in
            var status = stat()
            _ = stat("\(folder)/\(name)", &status)
            return (name: name, time: status.st_ctim.tv_sec)
        }
        for old in kept.sorted(by: { $0.time > $1.time }).dropFirst(Self.keptLimit) { try lost.removeTree(old.name) }
        return "\(folder)/\(name)"
    }

    private static func write(_ file: AttemptFile, in work: borrowing LocalFolder) throws(AttemptError) {
        let components = file.path.split(separator: "/").map(String.init)
        var parent = ""
        for component in components.dropLast() {
            parent += parent.isEmpty ? component : "/\(component)"
            guard mkdirat(work.descriptor, parent, 0o755) == 0 || errno == EEXIST else {
                if errno == ENOTDIR {
                    throw AttemptError(.cannotStart, "the task's files: '\(parent)' is a file and a folder")
                }
                throw .call("make folder", parent)
            }
        }
        do throws(AttemptError) {
            try work.create(file.path, file.data, mode: mode_t(truncatingIfNeeded: file.mode) & 0o777 | 0o400)
        } catch {
            // Only the task's own list of files can have put anything in the way.
            let isConflict = [EEXIST, EISDIR, ENOTDIR].contains(error.systemError)
            throw AttemptError(isConflict ? .cannotStart : .machine, "the task's files: \(error.message)")
        }
    }

    private static func check(path: String, scriptName: String) throws(AttemptError) {
        let components = path.split(separator: "/", omittingEmptySubsequences: false)
        let fault: String? =
            if path.isEmpty {
                "is empty"
            } else if path.hasPrefix("/") {
                "is absolute"
            } else if path.utf8.contains(0) {
                "has a NUL character"
            } else if components.contains("..") {
                "leads out of the working directory"
            } else if components.contains("") || components.contains(".") {
                "has an empty or '.' part"
            } else if path.utf8.count > 3000 || components.contains(where: { $0.utf8.count > 255 }) {
                "is too long"
            } else if components.first.map(String.init) == scriptName {
                "is the script's own name"
            } else {
                nil
            }
        if let fault {
            throw AttemptError(.cannotStart, "the path '\(path.prefix(200))' of one of the task's files \(fault)")
        }
    }

    /// Removes the directory with all that is in it; one that the script has removed already is no error.
    package func remove() throws(AttemptError) {
        let all = try LocalFolder(parent)
        // What an attempt without files of its own leaves, without listing any folder. First the file that makes it one.
        for file in ["claim", "task", "pids", "exit", "result"] { unlink("\(path)/journal/\(file).json") }
        unlink("\(path)/journal/output.log")
        for name in ScriptCommand.scriptNames { unlink("\(path)/work/\(name)") }
        unlink(socketPath)
        for folder in [spoolPath, journalPath, workPath, checkpointPath] { rmdir(folder) }
        try all.removeTree(name)
    }

    /// The attempts of an earlier life of the runner, and what is left of some that never began.
    package static func existing(in parent: String) throws(AttemptError) -> [AttemptDirectory] {
        try LocalFolder(parent).names().sorted().compactMap { name in
            let parts = name.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 2, let id = ObjectID(String(parts[0])), let attempt = Int32(parts[1]) else {
                return nil
            }
            let directory = AttemptDirectory(taskID: id, attempt: attempt, in: parent)
            return directory.name == name ? directory : nil
        }
    }

    // MARK: Files of the journal

    /// Result files beyond this are not even read: a task's document cannot hold them.
    package static let resultLimit = 16 << 20

    /// How the script ended; nil while it runs.
    package func exitReport() throws(AttemptError) -> ExitReport? {
        try withJournal { (journal) throws(AttemptError) in try Self.exitReport(journal) } ?? nil
    }

    /// What the script left as result, at most one byte more than ``resultLimit``.
    package func resultFile() throws(AttemptError) -> [UInt8]? { try read("result.json", limit: Self.resultLimit) }

    /// The task as the script was given it, without script and files; nil when it cannot be read.
    package func task() throws(AttemptError) -> BSONDocument? {
        try read("task.json", limit: 64 << 20).flatMap { try? BSONDocument(extendedJSON: $0) }
    }

    /// What this directory belongs to; nil when nothing ran in it.
    package func claim() throws(AttemptError) -> AttemptClaim? {
        guard let bytes = try read("claim.json", limit: 1 << 20) else { return nil }
        return (try? BSONDocument(extendedJSON: bytes)).flatMap(AttemptClaim.init)
    }

    /// The processes of the attempt; nil before the script was started, and where the disk or the script has damaged the file.
    package func processes() throws(AttemptError) -> AttemptProcesses? {
        guard let bytes = try read("pids.json", limit: 1 << 16) else { return nil }
        return AttemptProcesses(json: bytes)
    }

    /// Tells the script, and whoever reads the directory later, why it is being stopped.
    package func writeStopReason(_ reason: String) throws(AttemptError) {
        try LocalFolder(journalPath).replace("stop-reason", Array(reason.utf8))
    }

    package func stopReason() throws(AttemptError) -> String? {
        try withJournal { (journal) throws(AttemptError) in try Self.stopReason(journal) } ?? nil
    }

    /// What the attempt came to, once its supervisor has ended. Reads what the decision needs and no more.
    ///
    /// - Parameters:
    ///   - supervisor: from ``SupervisorProcess/wait()``.
    ///   - stopReason: why the caller asked the script to end; `stop-reason` tells where the caller does not know.
    ///   - output: for the last lines of a script that failed.
    ///   - resultLimit: bytes of BSON that the task's document has room for.
    package func conclude(
        supervisor: SupervisorProcess.Ending,
        savedResultKeys: [String],
        stopReason: String? = nil,
        output: OutputReader,
        resultLimit: Int = Self.resultLimit
    ) throws(AttemptError) -> (report: ExitReport?, outcome: AttemptOutcome) {
        var report: ExitReport?
        var result: [UInt8]?
        var reported: BSONDocument? = [:]
        var reason = stopReason
        var supervisor = supervisor
        try withJournal { (journal) throws(AttemptError) in
            report = try Self.exitReport(journal)
            // A supervisor that was killed has not written that it obeyed a stop, least of all one that nobody ordered.
            if case .signaled = supervisor, reason == nil, report?.stopped == "request" { report = nil }
            // One that could not begin has not written this file.
            if report == nil, supervisor.isFailedStart, faccessat(journal.descriptor, "pids.json", F_OK, 0) == 0 {
                supervisor = .unknown
            }
            if report?.exit == 0 {
                result = try journal.read("result.json", limit: Self.resultLimit)
                reported = try reportedResult()
            }
            if reason == nil, report == nil || report?.stopped != nil { reason = try Self.stopReason(journal) }
            // Of an attempt of its own a runner knows whether it has ordered a stop; the script can write to the file too.
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
                savedResultKeys: savedResultKeys,
                stopReason: reason,
                tail: tail,
                resultLimit: resultLimit
            )
        }
        let first = outcome(tail: [])
        guard case .failed = first, report?.outputBytes != 0 else { return (report, first) }
        return (report, outcome(tail: try output.tail()))
    }

    private static func exitReport(_ journal: borrowing LocalFolder) throws(AttemptError) -> ExitReport? {
        try journal.read("exit.json", limit: 1 << 20).flatMap(ExitReport.init)
    }

    private static func stopReason(_ journal: borrowing LocalFolder) throws(AttemptError) -> String? {
        try journal.read("stop-reason", limit: 256).map { bytes in
            String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).first.map(String.init) ?? ""
        }
    }

    private func read(_ name: String, limit: Int) throws(AttemptError) -> [UInt8]? {
        try withJournal { (journal) throws(AttemptError) in try journal.read(name, limit: limit) } ?? nil
    }

    /// Nil when the script has removed its directory: then there is no file, which is what the caller wants to know.
    private func withJournal<Value>(
        _ body: (borrowing LocalFolder) throws(AttemptError) -> Value
    ) throws(AttemptError) -> Value? {
        let journal: LocalFolder
        do throws(AttemptError) { journal = try LocalFolder(journalPath) } catch {
            guard error.systemError == ENOENT || error.systemError == ENOTDIR else { throw error }
            return nil
        }
        return try body(journal)
    }
}
