package import BSON
import CLinux
package import Files
import Glibc
package import TensorHub

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
/// `claim.json` is the last file that ``create(_:command:in:)`` writes. A directory without it, and without what a
/// supervisor writes, is what is left of a start or of a removal that was cut short: nothing ran in it.
package struct AttemptDirectory: Sendable, Hashable {
    package let id: AttemptID
    /// The folder of all attempts.
    let parent: String
    /// Where that is, and how anything in it is opened.
    let state: StateFolder
    /// Known where it was laid out by this process: what is removed first.
    private var scriptName: String?

    package init(_ id: AttemptID, in parent: String) {
        self.id = id
        self.parent = parent
        state = StateFolder(StateFolder.parent(parent), noting: RestoredRights())
    }

    package static func == (lhs: Self, rhs: Self) -> Bool {
        lhs.id == rhs.id && lhs.parent.bytes == rhs.parent.bytes
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(id)
    }

    package var name: String { "\(id)" }
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
    var keptPath: String { "\(path)/journal/\(Self.keptName)" }
    static let keptName = "kept"
    /// Where bodies of requests arrive.
    var spoolPath: String { "\(path)/journal/spool" }
    /// What the Python client could not send.
    var unsentPath: String { "\(path)/journal/unsent.jsonl" }
    /// Links to this machine's cache.
    var fetchedPath: String { "\(path)/\(Self.fetchedFolderName)" }
    static let fetchedFolderName = "datasets"
    var socketPath: String { "\(path)/\(Self.socketName)" }
    private static let socketName = "s"

    // MARK: Life

    /// Lays the attempt out. Nothing is synced: an attempt that a power cut takes away was not started either.
    package static func create(
        _ plan: AttemptPlan,
        command: ScriptCommand,
        in parent: String
    ) throws -> AttemptDirectory {
        let own = command.starter == nil ? [command.scriptName] : [command.scriptName, ScriptCommand.starterName]
        for file in plan.options.files { try check(path: file.path, ownNames: own) }
        var directory = AttemptDirectory(plan.id, in: parent)
        let all = try directory.state.open(parent)
        try all.makeFolder(directory.name, mode: 0o755)
        directory.scriptName = command.scriptName
        do {
            try directory.fill(LocalFolder(directory.name, in: all), plan, command)
        } catch {
            try? directory.remove()
            throw error
        }
        return directory
    }

    private func fill(
        _ folder: borrowing LocalFolder,
        _ plan: AttemptPlan,
        _ command: ScriptCommand
    ) throws {
        try folder.makeFolder("journal", mode: 0o700)
        try folder.makeFolder("work", mode: 0o755)
        try folder.makeFolder("checkpoint", mode: 0o755)
        let work = try LocalFolder("work", in: folder)
        try work.create(command.scriptName, plan.script, mode: 0o755)
        if let starter = command.starter { try work.create(ScriptCommand.starterName, starter, mode: 0o644) }
        for file in plan.options.files { try Self.write(file, in: work) }
        let journal = try LocalFolder("journal", in: folder)
        if plan.socketPath != nil { try journal.makeFolder("spool", mode: 0o700) }
        try journal.create("task.json", Array(plan.task.extendedJSON(.relaxed).utf8))
        try journal.replace("claim.json", AttemptClaim(plan).bytes)
    }

    /// Names another runner as the one that looks after it.
    package func write(_ claim: AttemptClaim) throws(FileError) {
        try journal().replace("claim.json", claim.bytes)
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
    package func abandon() throws(FileError) -> Abandonment {
        // A link in the place of the directory leads to somebody else's claim.
        guard isFolder else { return .abandoned }
        return try withJournal { (journal) throws(FileError) in
            // The lock ends with the descriptor.
            guard try OpenFile.lock(journal.descriptor, journalPath) else { return .busy }
            // It may have come and gone before we had the lock.
            if journal.status("pids.json") != nil { return .ended }
            try journal.removeTree("claim.json")
            return .abandoned
        } ?? .abandoned
    }

    private static func write(_ file: TaskFile, in work: borrowing LocalFolder) throws {
        let components = file.path.bytes.split(separator: "/").map(\.text)
        var parent = ""
        for component in components.dropLast() {
            parent += parent.isEmpty ? component : "/\(component)"
            guard mkdirat(work.descriptor, parent, 0o755) == 0 || errno == EEXIST else {
                if errno == ENOTDIR {
                    throw AttemptError(.cannotStart, "the task's files: '\(parent)' is a file and a folder")
                }
                throw FileError("make folder", parent)
            }
        }
        do throws(FileError) {
            try work.create(file.path, file.data, mode: mode_t(truncatingIfNeeded: file.mode) & 0o777 | 0o400)
        } catch {
            // Only the task's own list of files can have put anything in the way.
            let isConflict = [EEXIST, EISDIR, ENOTDIR].contains(error.number)
            throw AttemptError(isConflict ? .cannotStart : .machine, "the task's files: \(error.description)")
        }
    }

    private static func check(path: String, ownNames: [String]) throws(AttemptError) {
        let components = path.bytes.split(separator: "/", omittingEmptySubsequences: false)
        let fault: String? =
            if path.isEmpty {
                "is empty"
            } else if path.bytes.hasPrefix("/") {
                "is absolute"
            } else if path.utf8.contains(0) {
                "has a NUL character"
            } else if components.contains("..") {
                "leads out of the working directory"
            } else if components.contains("") || components.contains(".") {
                "has an empty or '.' part"
            } else if path.utf8.count > 3000 || components.contains(where: { $0.text.utf8.count > 255 }) {
                "is too long"
            } else if components.first.map({ ownNames.hasBytes(of: $0.text) }) == true {
                "is the script's own name"
            } else {
                nil
            }
        if let fault {
            throw AttemptError(.cannotStart, "the path '\(path.prefix(200))' of one of the task's files \(fault)")
        }
    }

    /// Removes the directory with all that is in it; one that the script has removed already is no error.
    package func remove() throws(FileError) {
        let all = try state.open(parent)
        removeUsual(in: all)
        try all.removeTree(name)
    }

    /// Removes what the script has made of its directory under other names beside it.
    func removeMoved(_ token: ObjectID) throws(FileError) {
        let all = try state.open(parent)
        for other in try all.names() where other.bytes != name.bytes && all.isFolder(other) {
            let journal = try? LocalFolder("journal", in: LocalFolder(other, in: all))
            let bytes = try? journal?.read("claim.json", limit: 1 << 20)
            guard let claim = bytes.flatMap({ try? BSONDocument(extendedJSON: $0) }).flatMap(AttemptClaim.init),
                claim.token == token
            else { continue }
            try all.removeTree(other)
        }
    }

    /// What an attempt without files of its own leaves, without listing any folder. First the file that makes it one. A
    /// script may have made anything of these names: what is left is left to whoever lists.
    private func removeUsual(in all: borrowing LocalFolder) {
        guard let directory = try? LocalFolder(name, in: all) else { return }
        if let journal = try? LocalFolder("journal", in: directory) {
            for file in ["claim", "task", "pids", "exit", "result"] { unlinkat(journal.descriptor, "\(file).json", 0) }
            unlinkat(journal.descriptor, "output.log", 0)
            unlinkat(journal.descriptor, "spool", AT_REMOVEDIR)
        }
        if let work = try? LocalFolder("work", in: directory) {
            let names = scriptName.map { [$0] } ?? ScriptCommand.scriptNames
            _ = names.first { unlinkat(work.descriptor, $0, 0) == 0 }
        }
        unlinkat(directory.descriptor, Self.socketName, 0)
        for folder in ["journal", "work", Self.checkpointName] { unlinkat(directory.descriptor, folder, AT_REMOVEDIR) }
    }

    /// The attempts of an earlier life of the runner, and what is left of some that never began.
    package static func existing(in parent: String) throws(FileError) -> [AttemptDirectory] {
        try StateFolder(around: parent).open(parent).names().sortedByBytes().compactMap { name in
            let parts = name.bytes.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 2, let task = ObjectID(parts[0].text), let number = Int(parts[1].text) else {
                return nil
            }
            let directory = AttemptDirectory(AttemptID(task: task, number: number), in: parent)
            return directory.name.bytes == name.bytes ? directory : nil
        }
    }

    // MARK: Files of the journal

    /// Result files beyond this are not even read: a task's document cannot hold them.
    package static let resultLimit = 16 << 20

    /// How the script ended; nil while it runs.
    package func exitRecord() throws(FileError) -> ExitRecord? {
        try withJournal { (journal) throws(FileError) in try Self.exitRecord(journal) } ?? nil
    }

    /// What the script left as result, at most one byte more than ``resultLimit``.
    package func resultFile() throws(FileError) -> [UInt8]? { try read("result.json", limit: Self.resultLimit) }

    /// The task as the script was given it, without script and files; nil when it cannot be read.
    package func task() throws(FileError) -> BSONDocument? {
        try read("task.json", limit: 64 << 20).flatMap { try? BSONDocument(extendedJSON: $0) }
    }

    /// What this directory belongs to; nil when nothing ran in it.
    package func claim() throws(FileError) -> AttemptClaim? {
        guard let bytes = try read("claim.json", limit: 1 << 20) else { return nil }
        return (try? BSONDocument(extendedJSON: bytes)).flatMap(AttemptClaim.init)
    }

    /// The processes of the attempt; nil before the script was started, and where the disk or the script has damaged
    /// the file.
    package func processes() throws(FileError) -> AttemptProcesses? {
        guard let bytes = try read("pids.json", limit: 1 << 16) else { return nil }
        return AttemptProcesses(json: bytes)
    }

    /// Tells the script, and whoever reads the directory later, why it is being stopped.
    package func writeStopReason(_ reason: String) throws(FileError) {
        try journal().replace("stop-reason", Array(reason.utf8))
    }

    package func stopReason() throws(FileError) -> String? {
        try withJournal { (journal) throws(FileError) in try Self.stopReason(journal) } ?? nil
    }

    static func exitRecord(_ journal: borrowing LocalFolder) throws(FileError) -> ExitRecord? {
        try journal.read("exit.json", limit: 1 << 20).flatMap(ExitRecord.init)
    }

    static func stopReason(_ journal: borrowing LocalFolder) throws(FileError) -> String? {
        try journal.read("stop-reason", limit: 256).map { bytes in
            String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).first.map(String.init) ?? ""
        }
    }

    private func read(_ name: String, limit: Int) throws(FileError) -> [UInt8]? {
        try withJournal { (journal) throws(FileError) in try journal.read(name, limit: limit) } ?? nil
    }

    /// Nil when the script has removed its journal, or put something else in its place: then there is no file, which is
    /// what the caller wants to know.
    @discardableResult
    func withJournal<Value>(
        _ body: (borrowing LocalFolder) throws(FileError) -> Value
    ) throws(FileError) -> Value? {
        guard let folder = try state.openIfThere(journalPath) else { return nil }
        return try body(folder)
    }

    func journal() throws(FileError) -> LocalFolder { try state.open(journalPath) }
}
