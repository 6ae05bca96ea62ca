public import BSON
import MongoDriver

extension Hub {
    /// Stores bytes, or finds them stored already. What is stored is reserved for the document `owner` until
    /// `settleBlobs`, so that nobody collects it before the document is there.
    ///
    /// - Parameters:
    ///   - known: The hash, where it is known already: 64 hexadecimal digits in lower case. Content that is stored
    ///     already is not read at all then.
    ///   - uploader: Whose upload it is, for `dropUploads`: the token of an attempt.
    /// - Throws: `HubError.hashMismatch` where the content has another hash than `known`, `.invalidInput` where the
    ///   source cannot be read. Nothing is left of it then.
    package func storeBlob(
        _ source: BlobSource,
        in bucket: BlobBucket,
        for owner: ObjectID,
        sha256 known: String? = nil,
        uploader: ObjectID? = nil
    ) async throws(HubError) -> Blob {
        try await BlobStore(bucket, of: self).store(source, for: owner, sha256: known, uploader: uploader)
    }

    /// The document is there (or will never be): the blobs are held by it alone.
    ///
    /// - Throws: `HubError.blobLost` where one of them was collected before, since its document came hours after it:
    ///   store it again.
    package func settleBlobs(_ ids: [ObjectID], in bucket: BlobBucket, for owner: ObjectID) async throws(HubError) {
        try await BlobStore(bucket, of: self).settle(ids, for: owner)
    }

    /// Documents were deleted: deletes those blobs that no document refers to any more.
    package func releaseBlobs(_ ids: [ObjectID], in bucket: BlobBucket) async throws(HubError) {
        try await BlobStore(bucket, of: self).release(ids)
    }

    /// Deletes what uploads have left that were cut short. Whoever made them must be dead.
    package func dropUploads(of uploader: ObjectID) async throws(HubError) {
        for bucket in BlobBucket.allCases {
            _ = try await BlobStore(bucket, of: self).drop(["uploader": .objectID(uploader)])
        }
    }

    /// What the bucket says of a file; `nil` where there is none.
    public func blob(_ id: ObjectID, in bucket: BlobBucket) async throws(HubError) -> Blob? {
        try await BlobStore(bucket, of: self).file(id).flatMap(BlobStore.blob)
    }

    /// The bytes, or a part of them, in order and in constant memory. A blob that is read whole is verified: where its
    /// hash is wrong, the end is `HubError.hashMismatch`. In a task that is cancelled it ends early, as every such
    /// stream does.
    public func readBlob(
        _ id: ObjectID,
        in bucket: BlobBucket,
        range: Range<Int64>? = nil
    ) -> AsyncThrowingStream<[UInt8], any Error> {
        let reader = BlobReader(BlobStore(bucket, of: self), id, range)
        return AsyncThrowingStream { try await reader.next() }
    }

    /// Brings a blob into a new file, over several connections, and verifies its hash where it has one. Broken
    /// connections are gone on from; a file of a wrong hash is fetched again once, then refused and removed.
    ///
    /// - Throws: `HubError.blobLost`, `.hashMismatch`, `.noSpace`; `.invalidInput` where the file cannot be made.
    public func downloadBlob(_ blob: Blob, in bucket: BlobBucket, to path: String) async throws(HubError) {
        try await downloadBlob(blob, in: bucket, to: path, followingLinks: true)
    }

    /// - Parameter followingLinks: Whether the path may lead through links; not where scripts may have made them.
    package func downloadBlob(
        _ blob: Blob,
        in bucket: BlobBucket,
        to path: String,
        followingLinks: Bool
    ) async throws(HubError) {
        try await BlobStore(bucket, of: self).download(blob, to: path, followingLinks: followingLinks)
    }
}
