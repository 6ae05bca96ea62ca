/// Files of a data set or model on this machine.
public struct LocalContent: Sendable, Hashable {
    public struct File: Sendable, Hashable {
        /// As in `StoredFile`.
        public var path: String
        /// Absolute.
        public var localPath: String

        public init(path: String, localPath: String) {
            self.path = path
            self.localPath = localPath
        }
    }

    /// The folder that has all of them below it, under their own paths.
    public var folder: String
    public var files: [File]

    public init(folder: String, files: [File]) {
        self.folder = folder
        self.files = files
    }
}
