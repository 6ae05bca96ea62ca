import BSON
import MongoDriver

extension Hub {
    /// Finds what the buckets hold in vain, of all projects of the database, and deletes it: chunks without a file,
    /// uploads that nobody goes on with, files that no document refers to. It looks at indexes and at documents of
    /// files, never at contents.
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
        let limit = try await garbageLimit(age)
        var reports: [GarbageReport] = []
        for bucket in BlobBucket.allCases {
            let store = BlobStore(bucket, of: self)
            reports.append(try await store.collectGarbage(before: limit, dryRun: dryRun, foreign: foreign))
        }
        return reports.sorted { $0.bucket.rawValue < $1.bucket.rawValue }
    }

    /// Finds output of tasks that are gone, of all projects of the database, and deletes it: what a runner has stored
    /// after its task was deleted, what a deletion has left that was cut off, and output of tasks that TensorLayer has
    /// deleted.
    ///
    /// - Parameters:
    ///   - dryRun: Whether it only reports.
    ///   - age: A task of which younger output was stored is left alone: its runner may not know yet that it is gone.
    public func collectOutput(
        dryRun: Bool = false,
        olderThan age: Duration = .seconds(3600)
    ) async throws(HubError) -> OutputGarbage {
        let limit = try await garbageLimit(age)
        var report = OutputGarbage(isDryRun: dryRun)
        try await beginningAnew { (isFirst) async throws(HubError) in
            try await collectOutput(before: limit, except: isFirst ? [] : Set(report.tasks), into: &report)
        }
        return report
    }

    private func collectOutput(
        before limit: BSONDateTime,
        except known: Set<BSONValue>,
        into report: inout OutputGarbage
    ) async throws(HubError) {
        // A walk from task to task in the index `chunk` (DISTINCT_SCAN).
        var groups = output.aggregate([["$group": ["_id": "$task_id"]]], AggregateOptions(allowDiskUse: true))
            .makeAsyncIterator()
        while true {
            let gone = try await translatingErrors { () async throws(MongoError) -> [BSONValue]? in
                var page: [BSONValue] = []
                var isOver = true
                while let group = try await groups.next() {
                    let id = group["_id"] ?? .null
                    if id.isPlainIdentifier { page.append(id) }
                    if page.count < 1000 { continue }
                    isOver = false
                    break
                }
                return page.isEmpty && isOver ? nil : try await missingTasks(page.filter { !known.contains($0) })
            }
            guard let gone else { return }
            for id in gone { try await collectOutput(of: id, before: limit, into: &report) }
        }
    }

    private func collectOutput(
        of id: BSONValue,
        before limit: BSONDateTime,
        into report: inout OutputGarbage
    ) async throws(HubError) {
        let filter: BSONDocument = ["task_id": id]
        let pipeline: [BSONDocument] = [
            ["$match": .document(filter)],
            [
                "$group": [
                    "_id": .null, "newest": ["$max": "$time"], "chunks": ["$sum": 1],
                    "bytes": ["$sum": ["$bsonSize": "$$ROOT"]],
                ]
            ],
        ]
        let found = try await translatingErrors { () async throws(MongoError) in
            try await output.aggregateAll(pipeline).first
        }
        // What has no time is none of ours.
        guard let found, let newest = found["newest"]?.dateTimeValue, newest < limit else { return }
        if !report.isDryRun {
            _ = try await translatingErrors { () async throws(MongoError) in
                try await output.deleteInPieces(filter, of: Self.outputDeletedAtOnce)
            }
        }
        report.tasks.append(id)
        report.chunks += found["chunks"]?.intValue ?? 0
        report.bytes += Int64(found["bytes"]?.intValue ?? 0)
    }

    /// What is younger may still be under way.
    private func garbageLimit(_ age: Duration) async throws(HubError) -> BSONDateTime {
        if age < .zero { throw .invalid("olderThan", "olderThan: \(age) is in the future; give a time span from 0") }
        let now = try await serverTime()
        let milliseconds = Int64(exactly: (age / .milliseconds(1)).rounded()) ?? .max / 2
        return BSONDateTime(millisecondsSince1970: now.millisecondsSince1970 - milliseconds)
    }
}
