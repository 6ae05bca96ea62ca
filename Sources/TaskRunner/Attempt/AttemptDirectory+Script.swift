import BSON
import Glibc

/// What the script API keeps in the journal. Blocking calls: for pool threads only.
extension AttemptDirectory {
    private static let resultName = "api-result.bson"
    private static let fetchedName = "data-sets.bson"

    /// What the script has reported through the API; empty before, nil where the file is damaged.
    func reportedResult() throws(AttemptError) -> BSONDocument? { try document(Self.resultName) }

    /// Synced, as `exit.json` is: a script that ended well must not be found without what it reported.
    func write(reportedResult: BSONDocument) throws(AttemptError) {
        try LocalFolder(journalPath).replace(Self.resultName, reportedResult.bytes, isSynced: true)
    }

    /// The data sets that the script has read, for the lineage of what it saves.
    func fetchedDataSets() throws(AttemptError) -> [BSONDocument] {
        (try document(Self.fetchedName)?["data_sets"]?.arrayValue ?? []).compactMap(\.documentValue)
    }

    func write(fetchedDataSets: [BSONDocument]) throws(AttemptError) {
        let document: BSONDocument = ["data_sets": .array(fetchedDataSets.map(BSONValue.document))]
        try LocalFolder(journalPath).replace(Self.fetchedName, document.bytes)
    }

    private func document(_ name: String) throws(AttemptError) -> BSONDocument? {
        guard let bytes = try LocalFolder(journalPath).read(name, limit: 64 << 20) else { return [:] }
        return try? BSONDocument(bytes: bytes)
    }

    /// Bodies of an earlier server, which nobody can name any more.
    func emptySpool() throws(AttemptError) {
        let journal = try LocalFolder(journalPath)
        try journal.remove("spool")
        try journal.makeFolder("spool", mode: 0o700)
    }

    // MARK: Files on their way to MongoDB

    /// Makes a folder for the files of one record. Returns whether it is new.
    func makeKeptFolder(_ name: String) throws(AttemptError) -> Bool {
        guard mkdir(keptPath, 0o700) == 0 || errno == EEXIST else { throw .call("make folder", keptPath) }
        if mkdir("\(keptPath)/\(name)", 0o700) == 0 { return true }
        guard errno == EEXIST else { throw .call("make folder", "\(keptPath)/\(name)") }
        return false
    }

    func removeKeptFolder(_ name: String) {
        // What stays goes with the directory.
        try? LocalFolder(keptPath).removeTree(name)
    }

    /// Makes an empty folder to be filled, and to be put in place by ``putKeptFolder(_:as:)``. What an earlier runner has left
    /// under that name is removed.
    func makePartialFolder(_ name: String) throws(AttemptError) {
        if try makeKeptFolder(name) { return }
        try LocalFolder(keptPath).removeTree(name)
        guard try makeKeptFolder(name) else { throw .call("make folder", "\(keptPath)/\(name)") }
    }

    /// Gives a folder that is complete its name. Returns whether nobody was faster.
    func putKeptFolder(_ partial: String, as name: String) throws(AttemptError) -> Bool {
        if rename("\(keptPath)/\(partial)", "\(keptPath)/\(name)") == 0 { return true }
        guard errno == EEXIST || errno == ENOTEMPTY else { throw .call("rename", "\(keptPath)/\(partial)") }
        return false
    }

    private static let keptCheckpoint = "checkpoint."

    static func keptCheckpointName(_ number: Int) -> String { "\(keptCheckpoint)\(number)" }

    /// The numbers of the copies of the checkpoint folder that are here.
    func keptCheckpointNumbers() throws(AttemptError) -> [Int] {
        try LocalFolder(keptPath).names().compactMap { name in
            guard name.hasPrefix(Self.keptCheckpoint), let number = Int(name.dropFirst(Self.keptCheckpoint.count))
            else {
                return nil
            }
            return OutboxRecord.checkpointNumbers.contains(number) ? number : nil
        }
    }
}
