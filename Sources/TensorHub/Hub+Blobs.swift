public import BSON

private let unbuilt = HubError(.database, "not built yet")

extension Hub {
    /// Stores bytes, or finds them stored already. What is stored is reserved for the document `owner` until
    /// `settleBlobs`, so that nobody collects it before the document is there.
    ///
    /// - Parameters:
    ///   - known: The hash, where it is known already.
    ///   - uploader: Whose upload it is, for `dropUploads`: the token of an attempt.
    package func storeBlob(
        _ source: BlobSource,
        in bucket: BlobBucket,
        for owner: ObjectID,
        sha256 known: String? = nil,
        uploader: ObjectID? = nil
    ) async throws(HubError) -> Blob { throw unbuilt }

    /// The document is there (or will never be): the blobs are held by it alone.
    package func settleBlobs(_ ids: [ObjectID], in bucket: BlobBucket, for owner: ObjectID) async throws(HubError) {
        throw unbuilt
    }

    /// Documents were deleted: deletes those blobs that no document refers to any more.
    package func releaseBlobs(_ ids: [ObjectID], in bucket: BlobBucket) async throws(HubError) { throw unbuilt }

    /// Deletes what uploads have left that were cut short.
    package func dropUploads(of uploader: ObjectID) async throws(HubError) { throw unbuilt }

    /// What the bucket says of a file; `nil` where there is none.
    public func blob(_ id: ObjectID, in bucket: BlobBucket) async throws(HubError) -> Blob? { throw unbuilt }

    /// The bytes, or a part of them, in order and in constant memory.
    public func readBlob(
        _ id: ObjectID,
        in bucket: BlobBucket,
        range: Range<Int64>? = nil
    ) -> AsyncThrowingStream<[UInt8], any Error> {
        AsyncThrowingStream { $0.finish(throwing: unbuilt) }
    }

    /// Brings a blob into a new file, over several connections, and verifies its hash where it has one. Broken connections
    /// are gone on from; a file of a wrong hash is fetched again once, then refused and removed.
    public func downloadBlob(_ blob: Blob, in bucket: BlobBucket, to path: String) async throws(HubError) {
        throw unbuilt
    }
}
