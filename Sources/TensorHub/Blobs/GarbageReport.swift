public import BSON

/// What the collection of garbage has found in one bucket, and deleted unless it was a dry run.
public struct GarbageReport: Sendable, Hashable {
    public var bucket: BlobBucket
    /// Whether nothing was changed.
    public var isDryRun: Bool
    /// Files without a document, by anybody, and how many chunks they have.
    public var orphans: [Orphan] = []
    /// Uploads that nobody goes on with, and how many chunks they have left.
    public var staleUploads = 0
    public var staleUploadChunks = 0
    /// Reservations whose document has not come in time.
    public var staleReservations = 0
    /// Files of ours that no document refers to.
    public var unreferenced: [Blob] = []
    /// Files that were condemned and are referred to: they are kept.
    public var pardoned = 0
    /// Files whose documents keep them from being judged, named in the log.
    public var damaged = 0
    /// Files that other programs have stored and that no document of TensorLayer's or ours refers to. Deleted only
    /// where that was asked for.
    public var foreign: [Blob] = []
    public var areForeignDeleted = false
    /// Whether documents of newer versions of this library are there: then no file passes for one that nothing refers
    /// to.
    public var hasNewerDocuments = false

    /// Chunks of a file that has no document.
    public struct Orphan: Sendable, Hashable {
        /// `files_id`, of any type.
        public var file: BSONValue
        public var chunks: Int
    }

    /// Whether there is nothing to do.
    public var isClean: Bool {
        orphans.isEmpty && staleUploads == 0 && staleReservations == 0 && unreferenced.isEmpty && foreign.isEmpty
            && pardoned == 0
    }

    /// About how many bytes of contents are, or would be, free.
    public var bytes: Int64 {
        let chunks = orphans.reduce(staleUploadChunks) { $0 + $1.chunks }
        let files = unreferenced + (areForeignDeleted ? foreign : [])
        return files.reduce(Int64(chunks) * 261_120) { $0.addingClamped($1.length) }
    }
}
