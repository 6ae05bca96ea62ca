import ArgumentParser
import BSON
import Console
import TensorHub

struct CollectGarbage: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc",
        abstract: "Delete what uploads that were cut short, and crashes, have left.",
        discussion: """
            It is about all projects of the database: chunks without a file, uploads that
            nobody goes on with, files that no document refers to, output of tasks that are
            gone. What other programs have stored and nothing refers to is reported, and
            deleted only by --foreign.

            Example:
              tensorhub gc --dry-run
            """
    )

    @Option(help: "Only what is older: 30m, 12h. What is younger may still be under way.")
    var olderThan = "1h"

    @Flag(help: "Delete also files of other programs that no document refers to.")
    var foreign = false

    @Flag(help: "Delete nothing; say what would be.")
    var dryRun = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let age = try WrittenTime.duration(olderThan, "--older-than") ?? .seconds(3600)
        let hub = try await connection.hub()
        let reports = try await hub.collectGarbage(dryRun: dryRun, olderThan: age, foreign: foreign)
        let lost = try await hub.collectOutput(dryRun: dryRun, olderThan: age)
        if output.json {
            StandardOutput.receipt((reports.map(Self.document) + [Self.document(lost)]).jsonLines)
        } else {
            let table = Self.table(reports.filter { !$0.isClean }, lost)
            if !table.rows.isEmpty { StandardOutput.receipt(table.text(width: StandardOutput.width)) }
        }
        let kept = reports.reduce(0) { $0 + ($1.areForeignDeleted ? 0 : $1.foreign.count) }
        if kept > 0 {
            StandardError.line(
                "\(counted(kept, "file")) of other programs, which nothing refers to: --foreign deletes them"
            )
        }
        for report in reports where report.hasNewerDocuments {
            StandardError.line(
                "\(report.bucket.rawValue): a newer version has written documents there, so files that no document names are "
                    + "kept; run its `tensorhub gc`"
            )
        }
        let bytes = reports.reduce(lost.bytes) { $0.addingClamped($1.bytes) }
        StandardError.line(
            reports.allSatisfy(\.isClean) && lost.tasks.isEmpty
                ? "there is no garbage" : "\(dryRun ? "would free" : "freed") \(ByteText.of(bytes))"
        )
    }

    private static func table(_ reports: [GarbageReport], _ lost: OutputGarbage) -> Table {
        var table = Table([
            .init("PLACE"), .init("UNREFERENCED", isRightAligned: true),
            .init("ORPHANED CHUNKS", isRightAligned: true),
            .init("UPLOADS", isRightAligned: true), .init("RESERVATIONS", isRightAligned: true),
            .init("FOREIGN", isRightAligned: true), .init("SIZE", isRightAligned: true),
        ])
        table.rows = reports.map { report in
            [
                report.bucket.rawValue, String(report.unreferenced.count),
                String(report.orphans.reduce(report.staleUploadChunks) { $0 + $1.chunks }), String(report.staleUploads),
                String(report.staleReservations), String(report.foreign.count), ByteText.of(report.bytes),
            ]
        }
        if !lost.tasks.isEmpty {
            table.rows.append(["TaskOutput", "", String(lost.chunks), "", "", "", ByteText.of(lost.bytes)])
        }
        return table
    }

    private static func document(_ lost: OutputGarbage) -> BSONDocument {
        [
            "collection": "TaskOutput", "tasks": .array(lost.tasks), "chunks": .init(smallest: lost.chunks),
            "bytes": .int64(lost.bytes),
        ]
    }

    private static func document(_ report: GarbageReport) -> BSONDocument {
        [
            "bucket": .string(report.bucket.rawValue),
            "unreferenced": .array(report.unreferenced.map { .objectID($0.id) }),
            "orphans": .array(report.orphans.map { ["file": $0.file, "chunks": .init(smallest: $0.chunks)] }),
            "stale_uploads": .init(smallest: report.staleUploads),
            "stale_upload_chunks": .init(smallest: report.staleUploadChunks),
            "stale_reservations": .init(smallest: report.staleReservations),
            "foreign": .array(report.foreign.map { .objectID($0.id) }), "bytes": .int64(report.bytes),
        ]
    }
}
