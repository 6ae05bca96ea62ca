import BSON
import MongoDriver

extension Hub {
    /// Finds what the buckets hold in vain, of all projects of the database, and deletes it: chunks without a file,
    /// uploads that nobody goes on with, files that no document refers to. It looks at indexes and at documents of files,
    /// never at contents.
    ///
    /// - Parameters:
    ///   - dryRun: Whether it only reports.
    ///   - age: What is younger may still be under way: it is left alone.
    ///   - foreign: Whether files of other programs that nothing refers to are deleted too. They are always reported.
    /// - Returns: One report for each bucket, by name.
    public func collectGarbage(
        dryRun: Bool = false,
        olderThan age: Duration = .seconds(3600),
        foreign: Bool = false
    ) async throws(HubError) -> [GarbageReport] {
        if age < .zero { throw .invalid("olderThan", "olderThan: \(age) is in the future; give a time span from 0") }
        let now = try await serverTime()
        let milliseconds = Int64(exactly: (age / .milliseconds(1)).rounded()) ?? .max / 2
        let limit = BSONDateTime(millisecondsSince1970: now.millisecondsSince1970 - milliseconds)
        var reports: [GarbageReport] = []
        for bucket in BlobBucket.allCases {
            let store = BlobStore(bucket, of: self)
            reports.append(try await store.collectGarbage(before: limit, dryRun: dryRun, foreign: foreign))
        }
        return reports.sorted { $0.bucket.rawValue < $1.bucket.rawValue }
    }
}
