import BSON
package import TensorHub
import TestSupport

/// What programs have stored while the primary changed, compared with what is there when all is over: each thing
/// exactly once, and whole.
package struct StoredWrites: Sendable {
    package enum Kind: String, Sendable {
        case dataSet = "data set"
        case model
        case tasks
        case log = "log entries"
    }

    /// One call that was acknowledged, or a program that ended with status 0.
    package struct Write: Sendable {
        package var kind: Kind
        /// No other write has the same.
        package var name: String
        /// Of the content, of data sets and models.
        package var sha256: String?
        /// Documents that it makes.
        package var count: Int

        package init(kind: Kind, name: String, sha256: String? = nil, count: Int = 1) {
            self.kind = kind
            self.name = name
            self.sha256 = sha256
            self.count = count
        }
    }

    /// What is there of one write.
    package struct Found: Sendable {
        package var count: Int
        /// Of what was read back; `nil` where it cannot be read.
        package var sha256: [String?]
        /// The numbers of log entries.
        package var numbers: [Int]

        package init(count: Int, sha256: [String?] = [], numbers: [Int] = []) {
            self.count = count
            self.sha256 = sha256
            self.numbers = numbers
        }
    }

    /// What is wrong with one write.
    package static func sentences(_ write: Write, _ found: Found) -> [String] {
        var sentences: [String] = []
        let name = "\(write.kind.rawValue) '\(write.name)'"
        if found.count != write.count {
            sentences.append("the \(name) is there \(found.count) times instead of \(write.count)")
        }
        for hash in found.sha256 where hash != write.sha256 {
            sentences.append("the \(name) \(hash == nil ? "cannot be read back" : "reads back as something else")")
        }
        if write.kind == .log, found.count == write.count, found.numbers.sorted() != Array(0..<write.count) {
            sentences.append("the \(name) are not those that were saved, each once")
        }
        return sentences
    }

    /// Reads back what was written, all bytes of it, and has the buckets searched for what nobody refers to.
    package static func check(_ writes: [Write], hub: Hub) async throws -> [HistoryChecker.Violation] {
        var sentences: [String] = []
        for write in writes { sentences += Self.sentences(write, try await find(write, hub)) }
        for var report in try await hub.collectGarbage(dryRun: true, olderThan: .zero) {
            // Its entry in the list is all that is left of such an upload. It is taken from there on the word of one
            // member, so it is back where that member's primary is lost just then; `gc` takes it away for good.
            if report.staleUploadChunks == 0 { report.staleUploads = 0 }
            if report.isClean { continue }
            let chunks = report.orphans.reduce(report.staleUploadChunks) { $0 + $1.chunks }
            sentences.append(
                "the bucket \(report.bucket.rawValue) has garbage: \(report.unreferenced.count) files that nothing refers "
                    + "to, \(chunks) chunks without a file, \(report.staleUploads) uploads, "
                    + "\(report.staleReservations) reservations, \(report.pardoned) condemned files"
            )
        }
        return sentences.map { .init(sentence: $0) }
    }

    private static func find(_ write: Write, _ hub: Hub) async throws -> Found {
        switch write.kind {
        case .dataSet:
            let all = try await hub.findDataSets(.init(name: write.name))
            return Found(count: all.count, sha256: await hashes(all) { try await hub.download($0, to: $1) })
        case .model:
            let all = try await hub.findModels(.init(name: write.name))
            return Found(count: all.count, sha256: await hashes(all) { try await hub.download($0, to: $1) })
        case .tasks:
            return Found(count: try await hub.findTasks(.named(write.name)).count)
        case .log:
            let entries = try await hub.logs(.training, Filter(["writer": .string(write.name)]))
            return Found(count: entries.count, numbers: entries.map { $0.values["number"]?.intValue ?? -1 })
        }
    }

    /// Of the one file of each.
    private static func hashes<Record>(
        _ records: [Record],
        _ download: (Record, String) async throws -> LocalContent
    ) async -> [String?] {
        var hashes: [String?] = []
        for record in records {
            let hash = try? await withTemporaryDirectory { folder in
                let content = try await download(record, folder)
                return SHA256.hex(of: content.files.count == 1 ? try readFile(content.files[0].localPath) : [])
            }
            hashes.append(hash)
        }
        return hashes
    }
}
