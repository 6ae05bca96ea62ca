import BSON
import Logging
import MongoDriver

/// What crashes have left.
extension BlobStore {
    func collectGarbage(before limit: BSONDateTime, dryRun: Bool, foreign: Bool) async throws(HubError) -> GarbageReport
    {
        var report = GarbageReport(bucket: bucket, isDryRun: dryRun, areForeignDeleted: foreign)
        let names = try await translatingErrors { () async throws(MongoError) in
            try await hub.database.listCollectionNames()
        }
        // A dry run makes no collection.
        guard names.contains(files.name) || names.contains(gridFS.chunks.name) else { return report }
        do throws(HubError) {
            if !dryRun { try await ensureIndexes() }
        } catch {
            // Chunks that are there twice, for one: collecting goes on, but slower.
            if error.isTransient { throw error }
            report.damaged += 1
            hub.logger.error(
                "An index of a bucket cannot be made; its garbage is collected all the same",
                metadata: ["bucket": "\(bucket.rawValue)", "error": "\(error)"]
            )
        }
        try await collectUploads(before: limit, into: &report)
        let owners = try await collectReservations(before: limit, into: &report)
        // They may name files where this version does not look.
        report.hasNewerDocuments = try await hasNewerDocuments()
        if !report.hasNewerDocuments { try await collectFiles(before: limit, owners, into: &report) }
        var found = report
        try await hub.beginningAnew { (isFirst) async throws(HubError) in
            let known = isFirst ? [] : Set(found.orphans.map(\.file))
            try await collectOrphans(before: limit, except: known, into: &found)
        }
        return found
    }

    /// Tasks are not looked through: what the contract of `hub.v` says of their checkpoints has to do.
    private func hasNewerDocuments() async throws(HubError) -> Bool {
        for (name, _) in references where name != hub.tasks.name {
            let collection = hub.durable(name)
            let found = try await retrying { () async throws(MongoError) in
                try await collection.findOne(["hub.v": TaskStatements.newer], FindOptions(projection: ["_id": 1]))
            }
            if found != nil { return true }
        }
        return false
    }

    private func collectUploads(before limit: BSONDateTime, into report: inout GarbageReport) async throws(HubError) {
        let stale: BSONDocument = ["heartbeat": ["$lt": .dateTime(limit)]]
        guard report.isDryRun else {
            let dropped = try await drop(stale)
            report.staleUploads = dropped.uploads
            report.staleUploadChunks = dropped.chunks
            return
        }
        let found = try await retrying { () async throws(MongoError) in
            try await uploads.findAll(stale, FindOptions(projection: ["saving": 1]))
        }
        for id in found.filter({ $0["saving"] != true }).compactMap({ $0["_id"] }) where id.isPlainIdentifier {
            report.staleUploads += 1
            let (isStored, count) = try await retrying { () async throws(MongoError) in
                (try await gridFS.file(id) != nil, try await gridFS.countChunks(of: id))
            }
            if !isStored { report.staleUploadChunks += count }
        }
    }

    /// - Returns: Whose old reservations stand, since somebody is still saving the document.
    private func collectReservations(before limit: BSONDateTime, into report: inout GarbageReport)
        async throws(HubError) -> Set<BSONValue>
    {
        // In an array, which no writer of ours makes, the server could not name what is to be changed.
        let isOurs: BSONValue = ["$not": ["$type": "array"]]
        let stale: BSONDocument = ["metadata": isOurs, "metadata.pending.time": ["$lt": .dateTime(limit)]]
        let found = try await retrying { () async throws(MongoError) in
            try await files.findAll(stale, FindOptions(projection: ["metadata.pending": 1]))
        }
        let pending = found.flatMap { $0.value(atPath: "metadata.pending")?.arrayValue ?? [] }
        let owners = pending.filter { Self.isStale($0, limit, []) }.map(Self.owner).filter(\.isPlainIdentifier)
        let living = try await living(Set(owners), since: limit)
        report.staleReservations = owners.filter { !living.contains($0) }.count
        if report.isDryRun { return living }
        for piece in Array(Set(owners).subtracting(living)).pieces(of: 1000) {
            // A document that is saved once more meanwhile has younger ones.
            let dead: BSONDocument = ["time": ["$lt": .dateTime(limit)], "id": ["$in": .array(piece)]]
            _ = try await retrying { () async throws(MongoError) in
                try await files.updateMany(
                    ["metadata": isOurs, "metadata.pending": ["$elemMatch": .document(dead)]],
                    .document(["$pull": ["metadata.pending": .document(dead)]])
                )
            }
        }
        return living
    }

    /// Which of the documents somebody is saving.
    private func living(_ owners: Set<BSONValue>, since limit: BSONDateTime) async throws(HubError) -> Set<BSONValue> {
        var living: Set<BSONValue> = []
        for piece in Array(owners).pieces(of: 1000) {
            let found = try await retrying { () async throws(MongoError) in
                try await uploads.findAll(
                    [
                        "_id": ["$in": .array(piece)], "heartbeat": ["$gte": .dateTime(limit)],
                        "dropped": ["$exists": false],
                    ],
                    FindOptions(projection: ["_id": 1])
                )
            }
            living.formUnion(found.compactMap { $0["_id"] })
        }
        return living
    }

    private static func owner(_ pending: BSONValue) -> BSONValue { pending.documentValue?["id"] ?? .null }

    private static func isStale(_ pending: BSONValue, _ limit: BSONDateTime, _ living: Set<BSONValue>) -> Bool {
        guard let time = pending.documentValue?["time"]?.dateTimeValue else { return false }
        return time < limit && !living.contains(owner(pending))
    }

    /// Goes through the documents of all files that are old enough, a thousand at a time.
    private func collectFiles(
        before limit: BSONDateTime,
        _ owners: Set<BSONValue>,
        into report: inout GarbageReport
    ) async throws(HubError) {
        var last: BSONValue?
        while true {
            var filter: BSONDocument = ["uploadDate": ["$lt": .dateTime(limit)]]
            // No other identifier can be in a document of TensorLayer's or of ours.
            filter.append("_id", last.map { ["$gt": $0] } ?? ["$type": "objectId"])
            let page = try await retrying { [filter] () async throws(MongoError) in
                try await files.findAll(filter, FindOptions(sort: ["_id": 1], limit: 1000)).map(GridFSFile.init)
            }
            guard let end = page.last else { return }
            last = end.id
            let referred = try await referred(page.compactMap { $0.id.objectIDValue })
            for file in page {
                do throws(HubError) {
                    try await judge(file, isReferred: referred, before: limit, owners, into: &report)
                } catch {
                    if error.isTransient { throw error }
                    report.damaged += 1
                    hub.logger.error(
                        "A file cannot be judged; the others are",
                        metadata: ["bucket": "\(bucket.rawValue)", "file": "\(file.id)", "error": "\(error)"]
                    )
                }
            }
        }
    }

    private func judge(
        _ file: GridFSFile,
        isReferred referred: Set<ObjectID>,
        before limit: BSONDateTime,
        _ owners: Set<BSONValue>,
        into report: inout GarbageReport
    ) async throws(HubError) {
        guard let blob = Self.blob(file) else { return }
        let condemned = file.metadata?["condemned"]?.documentValue
        // Somebody is at it right now.
        if let time = condemned?["time"]?.dateTimeValue, time >= limit { return }
        if referred.contains(blob.id) {
            guard let condemned else { return }
            report.pardoned += 1
            if !report.isDryRun {
                let by = condemned["by"] ?? .null
                try await pardon(["_id": .objectID(blob.id), "metadata.condemned.by": by], file)
            }
            return
        }
        guard blob.sha256 != nil else {
            report.foreign.append(blob)
            // No writer of theirs reserves anything: age is all that there is to go by.
            if report.areForeignDeleted, !report.isDryRun {
                _ = try await retrying { () async throws(MongoError) in try await gridFS.delete(file.id) }
            }
            return
        }
        let pending = file.metadata?["pending"]?.arrayValue ?? []
        if report.isDryRun {
            if pending.allSatisfy({ Self.isStale($0, limit, owners) }) { report.unreferenced.append(blob) }
        } else if try await !release([blob.id]).blobs.isEmpty {
            report.unreferenced.append(blob)
        }
    }

    /// Looks for chunks whose file has no document, in the index alone: one entry for each file is visited.
    private func collectOrphans(
        before limit: BSONDateTime,
        except known: Set<BSONValue>,
        into report: inout GarbageReport
    ) async throws(HubError) {
        do throws(HubError) {
            let index = IndexHint.keys(["files_id": 1, "n": 1])
            try await collectOrphans(before: limit, except: known, hint: index, into: &report)
        } catch {
            // Without that index the server refuses, before the first group.
            guard (error.underlying as? MongoError)?.serverCode == Self.badValue else { throw error }
            try await collectOrphans(before: limit, except: known, hint: nil, into: &report)
        }
    }

    private static let badValue = 2

    private func collectOrphans(
        before limit: BSONDateTime,
        except known: Set<BSONValue>,
        hint: IndexHint?,
        into report: inout GarbageReport
    ) async throws(HubError) {
        // What a server makes of it: a walk from file to file in the index (DISTINCT_SCAN).
        let cursor = gridFS.chunks.aggregate(
            [["$group": ["_id": "$files_id"]]],
            AggregateOptions(hint: hint, allowDiskUse: true)
        )
        var page: [BSONValue] = []
        do {
            for try await group in cursor {
                let id = group["_id"] ?? .null
                if id.isPlainIdentifier, !known.contains(id) { page.append(id) }
                if page.count == 1000 {
                    try await collectOrphans(among: page, before: limit, into: &report)
                    page = []
                }
            }
        } catch {
            throw HubError(transfer: error)
        }
        try await collectOrphans(among: page, before: limit, into: &report)
    }

    private func collectOrphans(
        among ids: [BSONValue],
        before limit: BSONDateTime,
        into report: inout GarbageReport
    ) async throws(HubError) {
        let list: BSONDocument = ["_id": ["$in": .array(ids)]]
        let known = try await retrying { () async throws(MongoError) in
            let options = FindOptions(projection: ["_id": 1])
            // In this order: an upload that ends meanwhile is in the second or has been in the first.
            return try await uploads.findAll(list, options) + files.findAll(list, options)
        }
        let found = Set(known.compactMap { $0["_id"] })
        for id in ids where !found.contains(id) { try await collect(id, before: limit, into: &report) }
    }

    private func collect(
        _ id: BSONValue,
        before limit: BSONDateTime,
        into report: inout GarbageReport
    ) async throws(HubError) {
        // Another program uploads without telling: how old its newest chunk is, tells whether it still does.
        let newest = try await retrying { () async throws(MongoError) in
            try await gridFS.chunks.findOne(
                ["files_id": id],
                FindOptions(sort: ["n": -1], projection: ["_id": 1])
            )
        }
        guard let chunk = newest?["_id"]?.objectIDValue,
            Int64(chunk.secondsSince1970) * 1000 < limit.millisecondsSince1970
        else { return }
        let isDryRun = report.isDryRun
        let count = try await retrying { () async throws(MongoError) in
            isDryRun ? try await gridFS.countChunks(of: id) : try await gridFS.deleteChunks(of: id)
        }
        report.orphans.append(GarbageReport.Orphan(file: id, chunks: count))
    }
}
