import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// Documents of any shape, which any program may have written, among ours: none of them makes a statement over many
/// fail, so every innocent document is handled as if they were not there.
@Suite(.timeLimit(.minutes(30))) struct OddDocumentTests {
    static let oddities: [BSONValue] = [
        .null, .undefined, .string(""), .string("text"), .string("$text"), .int32(-1), .int64(.max), .int64(.min),
        .double(.nan), .double(.infinity), .double(1e300), .decimal128(Decimal128(high: 0x7C00_0000_0000_0000, low: 0)),
        .bool(true), .array([]),
        .array([.null, .int32(1), .string("x"), .document([:])]),
        .array([.dateTime(BSONDateTime(millisecondsSince1970: 1)), .dateTime(BSONDateTime(millisecondsSince1970: 2))]),
        .array([.array([.objectID(ObjectID())])]), .document([:]), .document(["$set": 1, "": .null, "a.b": 1]),
        .document(["0": .document(["0": .null])]), .binary(BSONBinary(bytes: [])),
        .dateTime(BSONDateTime(millisecondsSince1970: .max)), .dateTime(BSONDateTime(millisecondsSince1970: .min)),
        .dateTime(BSONDateTime(millisecondsSince1970: 1)), .timestamp(BSONTimestamp(seconds: 1, increment: 1)),
        .objectID(ObjectID()), .minKey, .maxKey, .javaScript("1"), .symbol("x"),
    ]

    /// A document with each of the fields in turn replaced by each oddity, removed, or put into an array.
    ///
    /// - Parameter unique: A field that an index of ours wants to be different in each.
    static func variants(of base: BSONDocument, _ fields: [String], unique: String? = nil) -> [BSONDocument] {
        let variants = variants(of: base, fields)
        guard let unique else { return variants }
        return variants.map { variant in
            var copy = variant
            if copy[unique] == base[unique] {
                let id = ObjectID()
                copy[unique] = base[unique]?.stringValue == nil ? .objectID(id) : .string("odd \(id)")
            }
            return copy
        }
    }

    private static func variants(of base: BSONDocument, _ fields: [String]) -> [BSONDocument] {
        var result: [BSONDocument] = []
        for field in fields {
            let path = field.split(separator: ".").map(String.init)
            for oddity in oddities {
                var document = base
                document["_id"] = .objectID(ObjectID())
                set(oddity, at: path[...], in: &document)
                result.append(document)
            }
            var wrapped = base
            wrapped["_id"] = .objectID(ObjectID())
            set(.array([wrapped.value(atPath: field) ?? .null]), at: path[...], in: &wrapped)
            if field != "_id" { result.append(wrapped) }
            var lacking = base
            lacking["_id"] = .objectID(ObjectID())
            set(nil, at: path[...], in: &lacking)
            if field != "_id" { result.append(lacking) }
        }
        return result
    }

    private static func set(_ value: BSONValue?, at path: ArraySlice<String>, in document: inout BSONDocument) {
        guard let first = path.first else { return }
        if path.count == 1 {
            document[first] = value
            return
        }
        var inner = document[first]?.documentValue ?? [:]
        set(value, at: path.dropFirst(), in: &inner)
        document[first] = .document(inner)
    }

    /// What the server itself refuses, such as an array for an identifier, is left out.
    private func store(_ documents: [BSONDocument], in collection: MongoCollection) async throws {
        let before = try await collection.countDocuments([:])
        _ = try? await collection.insertMany(documents, ordered: false)
        #expect(try await collection.countDocuments([:]) > before + documents.count / 2)
    }

    private typealias Operation = (name: String, body: () async throws -> Void)

    /// Some of the documents pass for those of a newer version: they are left as they are, and the others are changed.
    private func leavingNewer(_ body: () async throws -> Void) async throws {
        do { try await body() } catch let error as HubError where error.code == .wrongState {}
    }

    private func expectAllToWork(_ operations: [Operation]) async {
        for operation in operations {
            await #expect(throws: Never.self, "\(operation.name)") { try await operation.body() }
        }
    }

    private let long = BSONDateTime(millisecondsSince1970: 1_000)

    /// The fields that a task has, in all states.
    private func task(_ hub: Hub, _ status: String, _ runner: ObjectID) -> BSONDocument {
        [
            "_id": .objectID(ObjectID()), "project_name": .string(hub.project), "time": .dateTime(long),
            "task_name": "odd", "hyper_parameters": ["lr": 0.1], "saved_result_keys": ["loss"],
            "status": .string(status), "script": .binary(BSONBinary(bytes: Array("#!/bin/true\n".utf8))), "result": [:],
            "hub": [
                "v": 1, "ready": true, "priority": 0, "attempt": 1, "max_failures": 3, "failures": 0,
                "interruptions": 0, "lost": 0, "not_before": .dateTime(long), "deadline": .dateTime(long),
                "unleased": .dateTime(long), "ended": .dateTime(long),
                "lease": [
                    "runner": .objectID(runner), "token": .objectID(ObjectID()), "expires": .dateTime(long),
                ],
                "history": [["attempt": 1, "runner": .objectID(runner), "host": "a", "start": .dateTime(long)]],
                "error": ["kind": "x"], "progress": ["fraction": 0.5], "cancel": ["time": .dateTime(long)],
                "checkpoint": ["attempt": 1, "files": [["path": "a", "blob": .objectID(ObjectID())]]],
            ],
        ]
    }

    private static let taskFields = [
        "_id", "time", "task_name", "hyper_parameters", "saved_result_keys", "status", "script", "result", "hub",
        "hub.v",
        "hub.ready", "hub.hold", "hub.priority", "hub.attempt", "hub.max_failures", "hub.failures", "hub.interruptions",
        "hub.lost", "hub.not_before", "hub.deadline", "hub.unleased", "hub.ended", "hub.started", "hub.lease",
        "hub.lease.runner", "hub.lease.token", "hub.lease.expires", "hub.history", "hub.error", "hub.progress",
        "hub.cancel", "hub.checkpoint", "hub.checkpoint.files", "hub.checkpoint.attempt", "hub.rules", "hub.avoid",
        "hub.files", "hub.interpreter", "hub.timeout", "hub.backoff", "hub.grace",
    ]

    @Test(arguments: ["pending", "running", "finished"])
    func `No task of whatever shape keeps the others from being handled`(status: String) async throws {
        try await withTestHub { hub in
            let tasks = hub.database.collection("Task")
            try await hub.ensureIndexes()
            let dead = ObjectID()
            try await store(Self.variants(of: task(hub, status, dead), Self.taskFields), in: tasks)
            var innocent = task(hub, status, dead)
            let id = try #require(innocent["_id"]?.objectIDValue)
            var inner = try #require(innocent["hub"]?.documentValue)
            for key in ["cancel", "not_before", "deadline", "unleased"] { inner[key] = nil }
            innocent["hub"] = .document(inner)
            try await tasks.insertOne(innocent)
            let foreign = ObjectID()
            try await hub.insertForeignTask([
                "_id": .objectID(foreign), "project_name": .string(hub.project), "status": "pending",
                "script": .binary(BSONBinary(bytes: Array("#!/bin/true\n".utf8))),
            ])
            let me = ObjectID()
            let (session, token) = (hub.session(me, name: "a"), ObjectID())
            await expectAllToWork([
                ("find", { () async throws in #expect(try await hub.findTasks().contains { $0.id == id }) }),
                ("count", { _ = try await hub.countTasks() }),
                ("unfinished", { _ = try await hub.hasUnfinishedTasks() }),
                ("explain", { _ = try await hub.explain(foreign) }),
                ("adopt", { _ = try await hub.session().adoptAndPromote() }),
                (
                    "adopted",
                    { () async throws in #expect(try await hub.task(foreign).document.value(atPath: "hub.v") == 1) }
                ),
                (
                    "expired leases",
                    {
                        let count = try await hub.session().expiredLeases().count
                        if status == "running" { #expect(count == 1000, "no more than that at a time") }
                    }
                ),
                ("leased", { () async throws in #expect(try await hub.session().leased([id, foreign]).count == 2) }),
                (
                    "take over",
                    {
                        let all = try await hub.findTasks().compactMap(\.id)
                        let attempts = all.map { (AttemptID(task: $0, number: 1), [dead]) }
                        let owned = try await session.takeOver(Dictionary(attempts) { $0 + $1 })
                        #expect(owned[AttemptID(task: id, number: 1)] != nil || status != "running")
                    }
                ),
                ("renew", { _ = try await hub.session(me).renew([AttemptID(task: id, number: 1)]) }),
                ("inspect", { _ = try await hub.session(me).inspect([AttemptID(task: id, number: 1)]) }),
                (
                    "expire once more",
                    {
                        _ = try await tasks.updateMany(
                            [
                                "hub.lease.runner": .objectID(me), "hub": ["$not": ["$type": "array"]],
                                "hub.lease": ["$not": ["$type": "array"]],
                            ],
                            .document(["$set": ["hub.lease.expires": .dateTime(long)]])
                        )
                    }
                ),
                ("rescue", { _ = try await hub.session().rescue() }),
                (
                    "rescued",
                    {
                        let now = try await hub.task(id).status
                        #expect(status != "running" || now == .pending)
                    }
                ),
                ("rescue unleased", { _ = try await hub.session().rescueUnleased(after: .zero) }),
                ("rescue unleased again", { _ = try await hub.session().rescueUnleased(after: .zero) }),
                ("adopt again", { _ = try await hub.session().adoptAndPromote() }),
                ("claim many", { _ = try await session.claim(5000, token: token) }),
                ("claimed", { _ = try await hub.session().claimed(by: token) }),
                ("hold", { try await leavingNewer { _ = try await hub.holdTasks(.all) } }),
                ("release", { try await leavingNewer { _ = try await hub.releaseTasks(.all) } }),
                ("cancel", { _ = try await hub.cancelTasks(.all) }),
                ("retry", { try await leavingNewer { _ = try await hub.retryTasks(.all) } }),
                ("garbage", { _ = try await hub.collectGarbage(olderThan: .zero) }),
                ("prune", { _ = try await hub.prune(Retention(olderThan: .zero)) }),
                ("delete", { _ = try await hub.deleteTasks(.all, includingRunning: true) }),
            ])
        }
    }

    @Test func `A task that nobody could report on is not claimed, and times in an array keep no other waiting`()
        async throws
    {
        try await withTestHub { hub in
            let tasks = hub.database.collection("Task")
            var due = task(hub, "pending", ObjectID())
            var own = try #require(due["hub"]?.documentValue)
            for key in ["cancel", "deadline", "unleased"] { own[key] = nil }
            var unnamed = due
            unnamed["_id"] = "text"
            unnamed["hub"] = .document(own)
            own["ready"] = false
            due["hub"] = .document(own)
            var listed = task(hub, "pending", ObjectID())
            listed["hub"] = [["v": 1, "ready": false, "not_before": .dateTime(long)]]
            for document in [unnamed, listed, due] { try await tasks.insertOne(document) }
            _ = try await hub.session().adoptAndPromote()
            let session = hub.session(name: "a")
            #expect(try await session.claim(5).tasks.map { $0.document["_id"] } == [due["_id"]])
            #expect(try await session.claim(1).tasks.isEmpty)
        }
    }

    @Test func `No document of a runner of whatever shape keeps the others from being seen and asked`() async throws {
        try await withTestHub { hub in
            let runners = hub.database.collection("Runner")
            let base: BSONDocument = [
                "_id": .objectID(ObjectID()), "host": "a", "name": "b", "pid": 1, "version": "1",
                "project": .string(hub.project), "slots": 1, "labels": [:], "state": "running",
                "started": .dateTime(long), "heartbeat": .dateTime(long), "lease": 60.0, "query": "{}", "running": [],
                "done": 1, "blocked": 0, "control": ["state": "pause", "time": .dateTime(long)],
            ]
            let fields = base.map(\.key) + ["control.state", "control.time", "control.deadline"]
            try await store(Self.variants(of: base, fields), in: runners)
            let me = ObjectID()
            let beat = RunnerBeat(
                host: "a",
                pid: 2,
                version: "2",
                slots: 2,
                labels: [:],
                state: .running,
                query: "{}",
                running: [],
                done: 0,
                blocked: 0,
                damaged: 3,
                control: nil
            )
            let session = hub.session(me, name: "b")
            await expectAllToWork([
                ("beat", { () async throws in #expect(try await session.beat(beat)?.damaged == 3) }),
                ("find", { () async throws in #expect(try await hub.findRunners().contains { $0.id == me }) }),
                (
                    "named",
                    { () async throws in #expect(try await session.namesakes(on: "a").contains { $0.id == me }) }
                ),
                ("on host", { () async throws in #expect(try await session.runners([me], on: "a") == [me]) }),
                ("drain", { _ = try await hub.drainRunners(.all, deadline: .seconds(60), by: "me") }),
                ("asked", { () async throws in #expect(try await session.beat(beat)?.control?.request == .drain) }),
                ("pause", { _ = try await hub.pauseRunners(.all) }),
                ("resume", { _ = try await hub.resumeRunners(.all) }),
                ("stop", { _ = try await hub.stopRunners(.named("b")) }),
                ("forget", { try await session.forgetNamesakes(on: "a", dead: [ObjectID()]) }),
                ("beat again", { () async throws in #expect(try await session.beat(beat) != nil) }),
            ])
        }
    }

    @Test func `No content and no upload of whatever shape keeps the others from being found and collected`()
        async throws
    {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                try writeFile("\(folder)/file", "content")
                let data = try await hub.saveDataSet(try .file("\(folder)/file"), name: "kept")
                let old = BSONDateTime(millisecondsSince1970: 1_000)
                let blob = ObjectID()
                for (name, nameField, blobField) in [
                    ("Dataset", "dataset_name", "dataset_id"), ("Model", "model_name", "params_id"),
                ] {
                    let base: BSONDocument = [
                        "_id": .objectID(ObjectID()), .init(nameField): "odd", "project_name": .string(hub.project),
                        "time": .dateTime(old), .init(blobField): .objectID(blob), "architecture": [:],
                        "hub": [
                            "v": 1, "kind": "file", "version": 1, "size": 1, "sha256": "x",
                            "task": .objectID(ObjectID()),
                            "attempt": 1, "files": [["path": "a", "blob": .objectID(blob), "size": 1]],
                            "data_sets": [["id": .objectID(ObjectID()), "sha256": "x"]],
                        ],
                    ]
                    let inner = ["v", "kind", "size", "sha256", "task", "attempt", "files", "data_sets"].map {
                        "hub.\($0)"
                    }
                    let outer = ["_id", nameField, "time", blobField, "architecture", "hub"]
                    try await store(
                        Self.variants(of: base, outer + inner, unique: nameField),
                        in: hub.database.collection(name)
                    )
                }
                for bucket in BlobBucket.allCases {
                    let upload: BSONDocument = [
                        "_id": .objectID(ObjectID()), "started": .dateTime(old), "heartbeat": .dateTime(old),
                        "uploader": .objectID(ObjectID()), "saving": true, "dropped": true,
                    ]
                    try await store(
                        Self.variants(of: upload, upload.map(\.key)),
                        in: hub.database.collection("\(bucket.rawValue).uploads")
                    )
                    let file: BSONDocument = [
                        "_id": .objectID(ObjectID()), "length": .int64(1), "chunkSize": 261_120,
                        "uploadDate": .dateTime(old), "filename": "x",
                        "metadata": [
                            "sha256": "x", "pending": [["id": .objectID(ObjectID()), "time": .dateTime(old)]],
                            "condemned": ["by": .objectID(ObjectID()), "time": .dateTime(old)],
                        ],
                    ]
                    let fields =
                        file.map(\.key)
                        + ["sha256", "pending", "condemned", "condemned.time", "damaged"].map { "metadata.\($0)" }
                    try await store(
                        Self.variants(of: file, fields),
                        in: hub.database.collection("\(bucket.rawValue).files")
                    )
                    let chunk: BSONDocument = [
                        "_id": .objectID(ObjectID()), "files_id": .objectID(ObjectID()), "n": 0,
                        "data": .binary(BSONBinary(bytes: [1])),
                    ]
                    try await store(
                        Self.variants(of: chunk, chunk.map(\.key), unique: "files_id"),
                        in: hub.database.collection("\(bucket.rawValue).chunks")
                    )
                }
                let lost = ObjectID()
                try await hub.database.collection("datasetFilesystem.chunks").insertOne([
                    "_id": .objectID(try #require(ObjectID("5f0000000000000000000001"))), "files_id": .objectID(lost),
                    "n": 0, "data": .binary(BSONBinary(bytes: [1])),
                ])
                let output: BSONDocument = [
                    "_id": .objectID(ObjectID()), "task_id": .objectID(ObjectID()), "attempt": 1, "seq": 0,
                    "offset": 0, "time": .dateTime(old), "data": .binary(BSONBinary(bytes: [1])),
                ]
                try await store(
                    Self.variants(of: output, output.map(\.key), unique: "task_id"),
                    in: hub.database.collection("TaskOutput")
                )
                await expectAllToWork([
                    (
                        "data sets",
                        { () async throws in #expect(try await hub.findDataSets().contains { $0.id == data.id }) }
                    ),
                    ("models", { _ = try await hub.findModels() }),
                    ("stages", { _ = try await hub.stages() }),
                    ("dry", { _ = try await hub.collectGarbage(dryRun: true, olderThan: .zero) }),
                    (
                        "garbage",
                        {
                            let reports = try await hub.collectGarbage(olderThan: .zero)
                            #expect(reports.contains { $0.orphans.contains { $0.file == .objectID(lost) } })
                        }
                    ),
                    ("output", { _ = try await hub.collectOutput(olderThan: .zero) }),
                    ("drop uploads", { try await hub.dropUploads(of: ObjectID()) }),
                    ("prune dry", { _ = try await hub.prune(Retention(olderThan: .zero, keeping: 1), dryRun: true) }),
                    (
                        "still there",
                        { () async throws in #expect(try await hub.findDataSets(ContentQuery(name: "kept")).count == 1)
                        }
                    ),
                    ("prune", { _ = try await hub.prune(Retention(olderThan: .zero)) }),
                ])
            }
        }
    }
}
