/// The data sets and models of a machine: each content once, verified, shared by all attempts and runners of the machine,
/// the least recently used out first.
public struct ContentCache: Sendable {
    /// Its folder; several processes may use it at once.
    public let folder: String
    /// Bytes.
    public var limit: Int64

    public init(folder: String, limit: Int64) {
        self.folder = folder
        self.limit = limit
    }

    /// Puts the files below a new folder `target`, each under its own path, as read-only hard links to the cache (copies,
    /// where the folder is on another file system). What the cache lacks is downloaded; of several that want the same at
    /// once, one does. Evicting a file from the cache does not take it from whoever has a link.
    package func fetch(
        _ files: [StoredFile],
        in bucket: BlobBucket,
        of hub: Hub,
        to target: String
    ) async throws(HubError) -> LocalContent { throw HubError(.database, "not built yet") }
}
