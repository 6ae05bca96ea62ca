import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

@Suite struct DataSetTests {
    @Test func `A data set has exactly the original's fields and types in its order, and ours besides`() async throws {
        try await withTestHub(project: "vision") { hub in
            let saved = try await hub.saveDataSet(
                .bytes(Array("pixels".utf8), as: "train.bin"),
                name: "mnist",
                tags: ["description": "digits", "n": 7]
            )
            let stored = try #require(try await hub.database.collection("Dataset").findOne())
            #expect(stored == saved.document)
            let types = stored.map { ($0.key, $0.value.type) }
            let expected: [(String, BSONType)] = [
                ("_id", .objectID), ("description", .string), ("n", .int32), ("project_name", .string),
                ("dataset_name", .string), ("dataset_id", .objectID), ("time", .dateTime), ("hub", .document),
            ]
            #expect(types.map(\.0) == expected.map(\.0))
            #expect(types.map(\.1) == expected.map(\.1))
            let fields = try #require(stored["hub"]?.documentValue)
            #expect(fields.keys == ["v", "kind", "version", "size", "sha256", "files"])
            #expect(fields["version"]?.type == .int32 && fields["size"]?.type == .int64)
            #expect(saved.files.map(\.path) == ["train.bin"])
            #expect(stored["dataset_id"]?.objectIDValue == saved.files[0].blob.id)
            #expect(saved.tags == ["description": "digits", "n": 7])
        }
    }

    @Test func `Versions count per project and name, and the newest is found where none is asked for`() async throws {
        try await withTestHub { hub in
            for text in ["a", "b", "a"] {
                try await hub.saveDataSet(.bytes(Array(text.utf8), as: "f"), name: "mnist")
            }
            try await hub.saveDataSet(.bytes([1], as: "f"), name: "other")
            let all = try await hub.findDataSets(ContentQuery(name: "mnist"))
            #expect(all.map(\.version) == [1, 2, 3])
            #expect(try await hub.findDataSet(ContentQuery(name: "mnist")).version == 3)
            #expect(try await hub.findDataSet(ContentQuery(name: "mnist", version: 2)).id == all[1].id)
            #expect(try await hub.findDataSet(ContentQuery(name: "other")).version == 1)
            // The same content is the same blob.
            #expect(all[0].files[0].blob == all[2].files[0].blob)
            #expect(all[0].files[0].blob.id != all[1].files[0].blob.id)
            #expect(try await hub.database.collection("datasetFilesystem.files").countDocuments() == 3)
        }
    }

    @Test func `Many that save one name at once get versions without a gap`() async throws {
        try await withTestHub { hub in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<12 {
                    group.addTask { try await hub.saveDataSet(.bytes([UInt8(index % 3)], as: "f"), name: "mnist") }
                }
                try await group.waitForAll()
            }
            let versions = try await hub.findDataSets(ContentQuery(name: "mnist")).compactMap(\.version)
            #expect(versions.sorted() == Array(1...12))
            #expect(try await hub.database.collection("datasetFilesystem.files").countDocuments() == 3)
        }
    }

    @Test func `The same delivery twice changes nothing and brings back what is there`() async throws {
        try await withTestHub { hub in
            let id = ObjectID()
            let first = try await hub.saveDataSet(.bytes([1], as: "f"), name: "mnist", id: id)
            let second = try await hub.saveDataSet(.bytes([1], as: "f"), name: "mnist", tags: ["late": true], id: id)
            #expect(first.document == second.document)
            #expect(try await hub.findDataSets().count == 1)
            await #expect { try await hub.saveDataSet(.bytes([1], as: "f"), name: "another", id: id) } throws: {
                ($0 as? HubError)?.field == "_id"
            }
        }
    }

    @Test func `The hash of several files is that of the lines of sha256sum`() async throws {
        try await withTestHub { hub in
            let content = Content(
                kind: .folder,
                files: [
                    SourceFile(path: "a", source: .bytes(Array("a\n".utf8))),
                    SourceFile(path: "b/c\\d", mode: 0o755, source: .bytes([])),
                ]
            )
            let saved = try await hub.saveDataSet(content, name: "two")
            // printf 'a\n' > a; mkdir b; : > 'b/c\d'; sha256sum a 'b/c\d' | sha256sum
            #expect(saved.sha256 == "b6bb84c648678d9496d8aa25a0936688a42dfab30a6057b0886c054854f6f2c8")
            #expect(saved.size == 2)
            #expect(saved.files.map(\.mode) == [0o644, 0o755])
            let one = try await hub.saveDataSet(.bytes(Array("a\n".utf8), as: "a"), name: "one")
            #expect(one.sha256 == "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7")
        }
    }

    @Test(arguments: [
        ("", "name"), ("a/b", "name"), ("a\0b", "name"), (".hidden", "name"), ("-", "name"), ("a\nb", "name"),
        (String(repeating: "a", count: 256), "name"),
    ])
    func `A name that cannot be is refused with the fix, and nothing is stored`(_ name: String, _ field: String)
        async throws
    {
        try await withTestHub { hub in
            let error = await #expect(throws: HubError.self) {
                try await hub.saveDataSet(.bytes([1], as: "f"), name: name)
            }
            #expect(error?.code == .invalidInput && error?.field == field)
            #expect(error?.message.contains("the name of the data set") == true)
            let collections = try await hub.database.listCollectionNames()
            #expect(collections.allSatisfy { !$0.hasPrefix("data") })
        }
    }

    @Test(
        arguments: [
            (["hub": 1], "tags.hub"), (["time": 1], "tags.time"), (["dataset_id": 1], "tags.dataset_id"),
            (["$x": 1], "tags.$x"), (["a.b": 1], "tags.a.b"), (["a": ["$x": 1]], "tags.a.$x"),
        ] as [(BSONDocument, String)]
    )
    func `A tag that collides with a field of ours, or that no filter finds, is refused`(
        _ tags: BSONDocument,
        _ field: String
    ) async throws {
        try await withTestHub { hub in
            let error = await #expect(throws: HubError.self) {
                try await hub.saveDataSet(.bytes([1], as: "f"), name: "mnist", tags: tags)
            }
            #expect(error?.code == .invalidInput && error?.field == field)
        }
    }

    @Test(arguments: [["../x"], ["/x"], ["a//b"], ["."], ["a\0"], [""], ["a", "a"], ["a", "a/b"], ["a/b", "a"], []])
    func `Files that could not be put into a folder are refused`(_ paths: [String]) async throws {
        try await withTestHub { hub in
            let files = paths.map { SourceFile(path: $0, source: .bytes([1])) }
            let error = await #expect(throws: HubError.self) {
                try await hub.saveDataSet(Content(kind: .folder, files: files), name: "mnist")
            }
            #expect(error?.code == .invalidInput && error?.field == "files")
        }
    }

    @Test func `A list of files that is too long for a document is refused before a byte is stored`() async throws {
        try await withTestHub { hub in
            let files = (0..<90_000).map {
                SourceFile(path: "\(String(repeating: "x", count: 50))/\($0)", source: .bytes([1]))
            }
            let error = await #expect(throws: HubError.self) {
                try await hub.saveDataSet(Content(kind: .folder, files: files), name: "mnist")
            }
            #expect(error?.field == "files" && error?.message.contains("the limit is") == true)
            let blobs = try await hub.database.collection("datasetFilesystem.files").countDocuments()
            #expect(blobs == 0)
        }
    }

    @Test func `A source that fails half-way leaves neither a document nor a blob`() async throws {
        try await withTestHub { hub in
            struct Failure: Error {}
            let broken = AsyncThrowingStream<[UInt8], any Error> {
                $0.yield([2])
                $0.finish(throwing: Failure())
            }
            let content = Content(
                kind: .folder,
                files: [
                    SourceFile(path: "a", source: .bytes([1])), SourceFile(path: "b", source: .stream(broken)),
                    SourceFile(path: "c", source: .bytes([3])),
                ]
            )
            await #expect(throws: HubError.self) { try await hub.saveDataSet(content, name: "mnist") }
            let stored = try await hub.findDataSets()
            #expect(stored.isEmpty)
            for name in ["files", "chunks"] {
                #expect(try await hub.database.collection("datasetFilesystem.\(name)").countDocuments() == 0)
            }
        }
    }

    @Test func `What is not there is answered with names near it, or the versions that there are`() async throws {
        try await withTestHub { hub in
            for name in ["mnist", "mnist", "mnist", "cifar10", "fashion-mnist", "imagenet"] {
                try await hub.saveDataSet(.bytes([1], as: "f"), name: name)
            }
            try await hub.deleteDataSets(ContentQuery(name: "mnist", version: 2))
            let near = await #expect(throws: HubError.self) { try await hub.findDataSet(ContentQuery(name: "mnsit")) }
            #expect(near?.code == .notFound && near?.suggestions == ["mnist"])
            #expect(near?.message.contains("did you mean 'mnist'") == true)
            let part = await #expect(throws: HubError.self) { try await hub.findDataSet(ContentQuery(name: "Fashion")) }
            #expect(part?.suggestions == ["fashion-mnist"])
            let none = await #expect(throws: HubError.self) { try await hub.findDataSet(ContentQuery(name: "zzz")) }
            #expect(none?.suggestions == [] && none?.message.contains("project 'default'") == true)
            let version = await #expect(throws: HubError.self) {
                try await hub.findDataSet(ContentQuery(name: "mnist", version: 7))
            }
            #expect(version?.field == "version" && version?.message.hasSuffix("no version 7; there are 1, 3") == true)
            let filter = await #expect(throws: HubError.self) {
                try await hub.findDataSet(ContentQuery(name: "mnist", filter: "n" == 1))
            }
            #expect(filter?.field == "filter" && filter?.message.contains("none of the 2") == true)
        }
    }

    @Test func `The best by a field is never one without it, nor NaN, in either direction`() async throws {
        try await withTestHub { hub in
            for loss in [.double(0.5), .double(.nan), .double(0.25), .null, .double(0.75)] as [BSONValue] {
                try await hub.saveDataSet(.bytes([1], as: "f"), name: "mnist", tags: ["loss": loss])
            }
            try await hub.saveDataSet(.bytes([1], as: "f"), name: "mnist")
            let lowest = try await hub.findDataSet(ContentQuery(name: "mnist", sort: .ascending("loss")))
            #expect(lowest.version == 3)
            #expect(try await hub.findDataSet(ContentQuery(sort: .descending("loss"))).version == 5)
            let all = try await hub.findDataSets(ContentQuery(sort: Sort("loss:1,hub.version:1")))
            #expect(all.count == 6 && all.prefix(3).compactMap(\.version) == [3, 1, 5])
            let nothing = await #expect(throws: HubError.self) {
                try await hub.findDataSet(ContentQuery(name: "mnist", sort: .ascending("los")))
            }
            #expect(nothing?.code == .invalidInput && nothing?.field == "sort" && nothing?.suggestions == ["loss"])
            #expect(nothing?.message.contains("'los'") == true)
            await #expect { try await hub.findDataSets(ContentQuery(sort: Sort("loss:1,weight:1"))) } throws: {
                ($0 as? HubError)?.field == "sort"
            }
        }
    }

    @Test func `Blobs go with the last document that refers to them`() async throws {
        try await withTestHub { hub in
            let blobs = hub.database.collection("datasetFilesystem.files")
            try await hub.saveDataSet(.bytes([1], as: "f"), name: "a")
            try await hub.saveDataSet(.bytes([1], as: "f"), name: "b")
            #expect(try await hub.deleteDataSets(ContentQuery(name: "a")) == 1)
            #expect(try await blobs.countDocuments() == 1)
            #expect(try await hub.deleteDataSets(ContentQuery(name: "b")) == 1)
            #expect(try await blobs.countDocuments() == 0)
            #expect(try await hub.database.collection("datasetFilesystem.chunks").countDocuments() == 0)
            #expect(try await hub.deleteDataSets(ContentQuery(name: "b")) == 0)
        }
    }

    @Test func `Projects do not see each other's data sets`() async throws {
        try await withTestDatabase { _, name in
            let uri = try await TestMongo.uri(database: name)
            try await Hub.withHub(uri: uri, project: "a") { a in
                try await Hub.withHub(uri: uri, project: "b") { b in
                    try await a.saveDataSet(.bytes([1], as: "f"), name: "mnist")
                    #expect(try await b.findDataSets().isEmpty)
                    #expect(try await b.saveDataSet(.bytes([2], as: "f"), name: "mnist").version == 1)
                    #expect(try await b.deleteDataSets(ContentQuery()) == 1)
                    #expect(try await a.findDataSet(ContentQuery(name: "mnist")).version == 1)
                }
            }
        }
    }

    @Test func `A shard is every n-th file, and one that cannot be is refused`() throws {
        let files = (0..<5).map {
            StoredFile(path: "\($0)", mode: 0o644, blob: Blob(id: ObjectID(), length: 1, sha256: nil))
        }
        #expect(try Shard("1/2").files(of: files).map(\.path) == ["1", "3"])
        #expect(try Shard("0/1").files(of: files).map(\.path) == ["0", "1", "2", "3", "4"])
        for text in ["2/2", "-1/2", "0/0", "1", "a/b", "1/2/3", ""] {
            #expect { try Shard(text) } throws: { ($0 as? HubError)?.field == "shard" }
        }
        #expect { try Shard("5/6").files(of: files) } throws: { ($0 as? HubError)?.field == "shard" }
    }
}
