import BSON
import Files
import Glibc
import TensorHub

/// What the script API keeps in the journal. Blocking calls: for pool threads only.
extension AttemptDirectory {
    private static let resultName = "api-result.bson"
    private static let fetchedName = "data-sets.bson"

    /// What the script has reported through the API; empty before, nil where the file is damaged.
    func reportedResult() throws(FileError) -> BSONDocument? { try Self.reportedResult(journal()) }

    static func reportedResult(_ journal: borrowing LocalFolder) throws(FileError) -> BSONDocument? {
        try document(resultName, journal)
    }

    /// Synced, as `exit.json` is: a script that ended well must not be found without what it reported.
    func write(reportedResult: BSONDocument) throws(FileError) {
        try journal().replace(Self.resultName, reportedResult.bytes, isSynced: true)
    }

    /// The data sets that the script has read, for the lineage of what it saves.
    func fetchedDataSets() throws(FileError) -> [BSONDocument] {
        let document = try Self.document(Self.fetchedName, journal())
        return (document?["data_sets"]?.arrayValue ?? []).compactMap(\.documentValue)
    }

    func write(fetchedDataSets: [BSONDocument]) throws(FileError) {
        let document: BSONDocument = ["data_sets": .array(fetchedDataSets.map(BSONValue.document))]
        try journal().replace(Self.fetchedName, document.bytes)
    }

    private static func document(
        _ name: String,
        _ journal: borrowing LocalFolder
    ) throws(FileError) -> BSONDocument? {
        guard let bytes = try journal.read(name, limit: 64 << 20) else { return [:] }
        return try? BSONDocument(bytes: bytes)
    }

    /// Gives us our rights to the directory itself back, where a script that runs already has taken them away.
    func restoreRights() {
        if GuardedPath.restoreRights(path, below: state.path) { state.restored?.note() }
    }

    /// Bodies of an earlier server, which nobody can name any more.
    func emptySpool() throws(FileError) {
        let journal = try journal()
        try journal.removeTree("spool")
        try journal.makeFolder("spool", mode: 0o700)
    }

    /// Makes the folder for what is fetched of one name.
    func makeFetchedFolder(_ name: String) throws(FileError) {
        let directory = try state.open(path)
        try directory.ensureFolder(Self.fetchedFolderName, mode: 0o755)
        try LocalFolder(Self.fetchedFolderName, in: directory).ensureFolder(name, mode: 0o755)
    }

    // MARK: Files on their way to MongoDB

    /// Makes an empty folder to be filled, and to be put in place by ``putKeptFolder(_:as:)``. What an earlier runner
    /// has left under that name is removed.
    func makePartialFolder(_ name: String) throws(FileError) {
        let journal = try journal()
        try journal.ensureFolder(Self.keptName, mode: 0o700)
        let kept = try LocalFolder(Self.keptName, in: journal)
        try kept.removeTree(name)
        try kept.makeFolder(name, mode: 0o700)
    }

    func removeKeptFolder(_ name: String) {
        // What stays goes with the directory.
        try? state.open(keptPath).removeTree(name)
    }

    /// Gives a folder that is complete its name. Returns whether nobody was faster.
    func putKeptFolder(_ partial: String, as name: String) throws(FileError) -> Bool {
        let kept = try state.open(keptPath)
        do throws(FileError) { try kept.rename(partial, to: name, in: kept) } catch {
            guard error.number == EEXIST || error.number == ENOTEMPTY else { throw error }
            return false
        }
        return true
    }

    /// Sees that the names of kept folders outlive a power cut, and what a daemon needs to find the attempt afterwards.
    func syncKept(_ sync: (Int32) -> Int32) throws(FileError) {
        let journal = try journal()
        for name in ["claim.json", "task.json"] {
            // One that the script has removed is not there after a power cut either.
            guard journal.isFile(name) else { continue }
            let file = try state.openRegular("\(journalPath)/\(name)", O_RDONLY)
            defer { close(file) }
            guard sync(file) == 0 else { throw FileError("sync", name) }
        }
        try LocalFolder(Self.keptName, in: journal).sync(sync)
        try journal.sync(sync)
        for folder in [path, parent] { try state.open(folder).sync(sync) }
    }

    func hasKeptFolder(_ name: String) -> Bool { (try? state.open(keptPath).isFolder(name)) ?? false }

    private static let keptCheckpoint = "checkpoint."

    static func keptCheckpointName(_ number: Int) -> String { "\(keptCheckpoint)\(number)" }

    /// The numbers of the copies of the checkpoint folder that are here.
    func keptCheckpointNumbers() throws(FileError) -> [Int] {
        try state.open(keptPath).names().compactMap { name in
            guard let number = name.bytes.dropping(Self.keptCheckpoint.bytes).flatMap({ Int($0) }) else { return nil }
            return OutboxRecord.checkpointNumbers.contains(number) ? number : nil
        }
    }
}
