import BSON
import Files
import Glibc
import MongoDriver
import TestSupport
import Testing

@testable import TensorHub

/// Names are their bytes: what `String` takes for equal are two, and a mark with an accent behind it is a mark.
@Suite struct IdentityTests {
    private static let nfc = "\u{D55C}"
    private static let nfd = "\u{1112}\u{1161}\u{11AB}"
    private static let both = [nfc, nfd]

    @Test func `Pruning keeps a version of each of two names that look alike`() async throws {
        try await withTestHub { hub in
            for name in Self.both {
                for byte: UInt8 in 1...2 {
                    try await hub.saveDataSet(.bytes([byte], as: "f"), name: name)
                    try await hub.saveModel(.bytes([byte], as: "f"), name: name)
                }
            }
            var retention = Retention(olderThan: nil)
            retention.kinds = [.models, .dataSets]
            retention.keeping = 1
            let report = try await hub.prune(retention)
            #expect(report.counts[.models] == 2 && report.counts[.dataSets] == 2)
            for name in Self.both {
                #expect(try await hub.findDataSet(ContentQuery(name: name)).version == 2)
                #expect(try await hub.findModel(ContentQuery(name: name)).version == 2)
            }
        }
    }

    @Test func `A stage of one name is none of a name that looks like it`() async throws {
        try await withTestHub { hub in
            for name in Self.both { try await hub.saveModel(nil, name: name) }
            let (one, other) = ("st\u{E9}", "ste\u{301}")
            try await hub.setStage(one, of: ContentQuery(name: Self.nfc))
            try await hub.setStage(other, of: ContentQuery(name: Self.nfd))
            #expect(try await hub.findModel(ContentQuery(), stage: one).name?.bytes == Self.nfc.bytes)
            #expect(try await hub.findModel(ContentQuery(), stage: other).name?.bytes == Self.nfd.bytes)
            #expect(try await hub.unsetStage(one, name: Self.nfd) == false)
            await #expect(throws: HubError.self) { try await hub.findModel(ContentQuery(name: Self.nfd), stage: one) }
        }
    }

    @Test
    func `Keys, tags, result keys and files that look alike are two, and one that is given twice is one too many`()
        async throws
    {
        try await withTestHub { hub in
            let document = BSONDocument(
                elements: Self.both.enumerated().map { ($0.element, .init(smallest: $0.offset)) }
            )
            let spec = TaskSpec(
                name: Self.nfd,
                script: Array("pass".utf8),
                hyperParameters: document,
                savedResultKeys: Self.both,
                tags: document,
                files: Self.both.map { TaskFile(path: "a/\($0)", data: Array($0.utf8)) }
            )
            let id = try await hub.createTask(spec)
            let task = try await hub.task(id)
            #expect(task.hyperParameters == document && task.tags == document)
            #expect(task.savedResultKeys?.map(\.bytes) == Self.both.map(\.bytes))
            #expect(task.options.files.map(\.path.bytes) == Self.both.map { "a/\($0)".bytes })
            #expect(try await hub.findTasks(.named(Self.nfc)).isEmpty)
            #expect(try await hub.findTasks(.named(Self.nfd)).count == 1)
            for (key, value) in document {
                #expect(try await hub.findTasks(FieldPath("hyper_parameters.\(key)") == value).count == 1)
                #expect(try await hub.findTasks(FieldPath(key) == value).count == 1)
            }
            var twice = spec
            twice.savedResultKeys = [Self.nfc, Self.nfc]
            await #expect(throws: HubError.self) { try await hub.createTask(twice) }
            twice = spec
            twice.files = [TaskFile(path: Self.nfc, data: []), TaskFile(path: "\(Self.nfc)/b", data: [])]
            await #expect(throws: HubError.self) { try await hub.createTask(twice) }
            twice.files = [TaskFile(path: Self.nfc, data: []), TaskFile(path: "\(Self.nfd)/b", data: [])]
            _ = try await hub.createTask(twice)
            try await hub.saveLog(.training, document)
            #expect(try await hub.logs(.training).first?.values == document)
            #expect(try await hub.logFieldNames(.training).map(\.bytes) == Self.both.map(\.bytes).sorted())
        }
    }

    @Test(arguments: [
        "../\u{301}x", "/\u{301}etc", "a/\u{301}/../b", "a//\u{301}b/..", "a/\u{301}b/", "..", "a/..", "a/./b", "", "/",
    ])
    func `A path that leads out of its folder does so whatever accent stands in it`(_ path: String) async throws {
        #expect(
            StoredFile.isRelative(path) == !path.utf8.split(separator: 0x2F, omittingEmptySubsequences: false)
                .contains { ["", ".", ".."].contains(String(Substring($0))) }
        )
        var spec = TaskSpec(script: Array("pass".utf8))
        spec.files = [TaskFile(path: path, data: [])]
        if !StoredFile.isRelative(path) { #expect(throws: HubError.self) { try spec.validate() } }
    }

    @Test func `Paths with accents at the beginning of a part are ordinary ones, and come back as they were`()
        async throws
    {
        for path in ["\u{301}b", "a/\u{301}b", "..\u{301}", "a\u{301}/b"] { #expect(StoredFile.isRelative(path)) }
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                mkdir("\(folder)/in", 0o755)
                mkdir("\(folder)/in/a", 0o755)
                let names = ["caf\u{E9}", "cafe\u{301}", "a/\u{301}b", "..\u{301}"]
                for name in names { try writeFile("\(folder)/in/\(name)", name) }
                let saved = try await hub.saveDataSet(try .folder("\(folder)/in"), name: "names")
                #expect(saved.files.map(\.path.bytes) == names.map(\.bytes).sorted())
                try await hub.download(saved, to: "\(folder)/out")
                for name in names { #expect(try readFile("\(folder)/out/\(name)") == Array(name.utf8)) }
                let cache = ContentCache(folder: "\(folder)/cache", limit: 1 << 20)
                _ = try await cache.fetch(saved.files, in: .dataSets, of: hub, to: "\(folder)/links")
                for name in names { #expect(try readFile("\(folder)/links/\(name)") == Array(name.utf8)) }
            }
        }
    }

    @Test func `A stored path that leads out is refused before anything is written`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let saved = try await hub.saveDataSet(.bytes([1], as: "f"), name: "d")
                try await hub.database.collection("Dataset").updateOne(
                    ["_id": .objectID(try #require(saved.id))],
                    .document(["$set": ["hub.files.0.path": "../\u{301}x"]])
                )
                let found = try await hub.findDataSet(ContentQuery(name: "d"))
                await #expect(throws: HubError.self) { try await hub.download(found, to: "\(folder)/out") }
                #expect(GuardedPath.names(folder).isEmpty)
            }
        }
    }

    @Test(arguments: ["a/\u{301}b", ".\u{301}a", "/", "a/"])
    func `A name with a slash or a dot before an accent is refused`(_ name: String) {
        #expect(throws: HubError.self) { try Content.validate(name: name) }
    }

    @Test(arguments: ["$\u{301}", "a.\u{301}b", ".\u{301}", "$where\u{301}"])
    func `A key with a dollar or a dot before an accent is refused`(_ key: String) async throws {
        let document: BSONDocument = [key: 1]
        for spec in [
            TaskSpec(script: [1], hyperParameters: document), TaskSpec(script: [1], tags: document),
            TaskSpec(script: [1], hyperParameters: ["a": [.document(document)]]),
            TaskSpec(script: [1], savedResultKeys: [key]),
        ] {
            #expect(throws: HubError.self) { try spec.validate() }
        }
        #expect(throws: HubError.self) { try QueryDanger.check(["$_internal\u{301}": 1], field: "filter") }
    }

    @Test func `Two models that differ in the form of their names alone differ`() async throws {
        try await withTestHub { hub in
            let old = try await hub.saveModel(
                nil,
                name: "m",
                architecture: [Self.nfc: 1, "k": "\u{E9}"],
                tags: [Self.nfc: 1]
            )
            let new = try await hub.saveModel(
                nil,
                name: "m",
                architecture: [Self.nfd: 1, "k": "e\u{301}"],
                tags: [Self.nfd: 1]
            )
            let diff = try await hub.diff(old, new)
            #expect(diff.architecture.map(\.name.bytes) == [Self.nfc.bytes, "k", Self.nfd.bytes])
            #expect(diff.tags.count == 2 && !diff.isEmpty)
        }
    }

    @Test func `A runner is known by the bytes of its name, and takes tasks by the bytes of theirs`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(TaskSpec(name: Self.nfc, script: Array("pass".utf8)))
            let session = hub.session(name: Self.nfc)
            #expect(try await session.claim(1, .init(names: [Self.nfd])).tasks.isEmpty)
            #expect(try await session.claim(1, .init(names: [Self.nfc])).tasks.map(\.id) == [id])
        }
        let records = Self.both.map { name in
            RunnerRecord(
                ["_id": .objectID(ObjectID()), "name": .string(name), "state": "running"],
                silence: .zero,
                isLost: false
            )
        }.compactMap(\.self)
        #expect(records.count == 2)
        #expect(try RunnerRecord.matching(Self.nfd, among: records).map(\.id) == [records[1].id])
    }

    @Test func `An empty time stamp, which MongoDB would replace, is refused at the top of what is stored`()
        async throws
    {
        let empty: BSONDocument = ["t": .timestamp(BSONTimestamp(seconds: 0, increment: 0))]
        try await withTestHub { hub in
            await #expect(throws: HubError.self) { try await hub.createTask(TaskSpec(script: [1], tags: empty)) }
            await #expect(throws: HubError.self) { try await hub.saveLog(.training, empty) }
            await #expect(throws: HubError.self) { try await hub.saveModel(nil, name: "m", tags: empty) }
            let id = try await hub.createTask(TaskSpec(script: [1], hyperParameters: empty))
            #expect(try await hub.task(id).hyperParameters == empty)
        }
    }
}
