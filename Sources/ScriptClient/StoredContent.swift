public import BSON

/// A data set or model that was found, with its files on this machine.
public struct StoredContent: Sendable, Hashable {
    public struct File: Sendable, Hashable {
        /// Within the data set or model.
        public var path: String
        /// Absolute; verified by its SHA-256, read-only, shared with everybody who uses it here.
        public var localPath: String
        /// Bytes.
        public var size: Int64
    }

    /// As it is stored: tags at the top level, ours below `hub`.
    public var document: BSONDocument
    /// The folder that has all files below it, under their own paths; `nil` where there are none.
    public var folder: String?
    public var files: [File]

    /// - Throws: `ScriptError` where the answer is none of a runner's.
    init(_ answer: BSONDocument) throws(ScriptError) {
        guard let document = answer["document"]?.documentValue else {
            throw ScriptError(.invalidInput, "the runner's answer has no document; it is of another version")
        }
        self.document = document
        folder = answer["folder"]?.stringValue
        files = []
        for file in answer["files"]?.arrayValue?.compactMap(\.documentValue) ?? [] {
            guard let path = file["path"]?.stringValue, let local = file["local"]?.stringValue else {
                throw ScriptError(.invalidInput, "the runner has named no path of a file; it is of another version")
            }
            files.append(File(path: path, localPath: local, size: Int64(file["size"]?.intValue ?? 0)))
        }
    }
}
