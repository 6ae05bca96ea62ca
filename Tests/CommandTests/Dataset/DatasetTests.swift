import BSON
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// `dataset put`, `get`, `ls`, `show` and `rm`.
@Suite struct DatasetTests {
    @Test func `A file goes in and comes out as it was`() async throws {
        try await withCommands { fixture in
            let path = try fixture.file("mnist.bin", noise(600_000))
            let put = try await fixture.run("dataset", "put", path, "--tag", "classes=10", "--description", "digits")
            #expect(put.status == 0, "\(put.errors)")
            #expect(ObjectID(put.output.trimmingLineEnd) != nil)
            #expect(put.errors == "data set 'mnist' version 1: 1 file, 586 KiB\n")
            let stored = try await fixture.hub.findDataSet(ContentQuery(name: "mnist"))
            #expect(stored.tags == ["description": "digits", "classes": 10])

            let get = try await fixture.run("dataset", "get", "mnist", "-o", "\(fixture.folder)/back.bin")
            #expect(get.output == "\(fixture.folder)/back.bin\n", "\(get.errors)")
            #expect(get.errors == "data set 'mnist' version 1: 586 KiB\n")
            #expect(try readFile("\(fixture.folder)/back.bin") == noise(600_000))
            let into = try await fixture.run("dataset", "get", "mnist", "-o", fixture.folder, "--force")
            #expect(into.output == "\(fixture.folder)/mnist.bin\n")
            #expect(entries(fixture.folder).filter { $0.contains("partial") } == [])

            _ = try fixture.file("mnist.bin", "second")
            #expect(try await fixture.run("dataset", "put", path).errors.contains("version 2"))
            let out = try await fixture.run("dataset", "get", "mnist", "-o", "-")
            #expect(out.output == "second" && out.errors == "data set 'mnist' version 2\n")
            #expect(try await fixture.run("dataset", "get", "mnist", "--version", "9", "-o", "-").status == 3)
            let word = try await fixture.run("dataset", "get", "mnist", "--version", "x", "-o", "-")
            #expect(word.status == 2 && word.output.isEmpty && word.errors.contains("'x'"))
        }
    }

    @Test func `A folder, arrays, pieces and standard input are taken too`() async throws {
        try await withCommands { fixture in
            mkdir("\(fixture.folder)/images", 0o755)
            for index in 0..<3 { _ = try fixture.file("images/\(index).txt", "image \(index)") }
            #expect(try await fixture.run("dataset", "put", "\(fixture.folder)/images/").status == 0)
            let shard = try await fixture.run(
                "dataset",
                "get",
                "images",
                "--shard",
                "0/2",
                "-o",
                "\(fixture.folder)/part"
            )
            #expect(shard.output == "\(fixture.folder)/part\n", "\(shard.errors)")
            #expect(entries("\(fixture.folder)/part").sorted() == ["0.txt", "2.txt"])
            let several = try await fixture.run("dataset", "get", "images", "-o", "-")
            #expect(several.status == 2 && several.errors.contains("--file"))
            #expect(try await fixture.run("dataset", "get", "images", "--file", "1.txt", "-o", "-").output == "image 1")
            #expect(try await fixture.run("dataset", "get", "images", "--shard", "3/4", "-o", "-").status == 2)

            let input = try await fixture.run("dataset", "put", "-", "--name", "events", input: "a\nb\n")
            #expect(input.status == 0)
            #expect(try await fixture.run("dataset", "get", "events", "-o", "-").output == "a\nb\n")

            let text = String(repeating: "0123456789\n", count: 20_000)
            let big = try fixture.file("big.log", text)
            #expect(try await fixture.run("dataset", "put", big, "--piece-size", "64KiB").errors.contains("4 files"))
            let joined = try await fixture.run("dataset", "get", "big", "-o", "\(fixture.folder)/joined")
            #expect(joined.status == 0, "\(joined.errors)")
            #expect(try readFile("\(fixture.folder)/joined") == Array(text.utf8))
            #expect(try await fixture.run("dataset", "get", "big", "-o", "-").output == text)

            let header = Array("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }\n".utf8)
            let magic: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.count), 0]
            let arrays = ["x", "y"].map {
                try? fixture.file("\($0).npy", magic + header + [UInt8](repeating: 0, count: 24))
            }
            let words = ["dataset", "put"] + arrays.compactMap { $0 } + ["--name", "pair", "--json"]
            let put = try await fixture.run("tensorhub", words)
            #expect(try BSONDocument(extendedJSON: put.output).value(atPath: "hub.kind") == "arrays")
            let show = try await fixture.run("dataset", "show", "pair")
            #expect(show.output.contains("x       3 x 2  float32         6"), "\(show.output)")
            let json = try BSONDocument(extendedJSON: try await fixture.run("dataset", "show", "pair", "--json").output)
            #expect(json.value(atPath: "tensors.1.name") == "y" && json.value(atPath: "tensors.1.shape.0") == 3)
        }
    }

    @Test func `What cannot be stored is bad input and nothing is there`() async throws {
        try await withCommands { fixture in
            let path = try fixture.file("a.txt", "a")
            for arguments in [
                [path, "--name", "a/b"], [path, "--tag", "hub=1"], ["/absent"], ["-"], [path, path],
                [path, "--piece-size", "1"], [path, "--piece-size", "x"], ["-", "--name", "a", "--piece-size", "1MiB"],
                [],
            ] {
                let result = try await fixture.run("tensorhub", ["dataset", "put"] + arguments)
                #expect(result.status == 2 && result.output.isEmpty, "\(arguments): \(result.errors)")
            }
            #expect(try await fixture.hub.findDataSets().isEmpty)
        }
    }

    @Test func `Lists the newest last and sorts by any field`() async throws {
        try await withCommands { fixture in
            for (name, size) in [("a", 3), ("b", 9), ("a", 5)] {
                try await fixture.hub.saveDataSet(
                    .bytes(noise(size), as: "f"),
                    name: name,
                    tags: ["n": .init(smallest: size)]
                )
            }
            let list = try await fixture.run("dataset", "ls")
            #expect(list.lines.count == 4 && list.line(0).hasPrefix("ID"))
            #expect(list.line(3).contains("a           2  file      1   5 B"), "\(list.output)")
            #expect(list.line(3).hasSuffix("n=5"))
            let best = try await fixture.run("dataset", "ls", "--sort", "n:-1", "--limit", "1", "--json")
            #expect(try BSONValue(extendedJSON: best.output).arrayValue?.first?.documentValue?["n"] == 9)
            #expect(best.errors.contains("only the first 1"))
            #expect(try await fixture.run("dataset", "ls", "a", "-q").lines.count == 2)
            #expect(try await fixture.run("dataset", "ls", "--filter", #"{"n": {"$gt": 4}}"#, "-q").lines.count == 2)
            let nothing = try await fixture.run("dataset", "ls", "--sort", "acc:-1")
            #expect(nothing.status == 2 && nothing.errors.contains("'acc'"))
            let none = try await fixture.run("dataset", "ls", "c")
            #expect(none.status == 3 && none.output.isEmpty)
            let near = try await fixture.run("dataset", "show", "aa")
            #expect(near.status == 3 && near.errors.contains("did you mean 'a'?"))
        }
    }

    @Test func `Removes only what was said`() async throws {
        try await withCommands { fixture in
            let first = try await fixture.hub.saveDataSet(.bytes([1], as: "f"), name: "a")
            for name in ["a", "b"] { try await fixture.hub.saveDataSet(.bytes([2], as: "f"), name: name) }
            try await fixture.hub.saveModel(
                nil,
                name: "m",
                lineage: Lineage(
                    origin: AttemptID(task: ObjectID(), number: 1),
                    dataSets: [.init(id: try #require(first.id), name: "a", version: 1, sha256: nil)]
                )
            )
            for arguments in [[], ["a"], ["--version", "1"], ["a", "--all", "--version", "1"]] {
                let result = try await fixture.run("tensorhub", ["dataset", "rm"] + arguments)
                #expect(result.status == 2, "\(arguments): \(result.errors)")
            }
            let refused = try await fixture.run("dataset", "rm", "--all")
            #expect(refused.status == 1 && refused.errors.contains("model 'm'"))
            #expect(try await fixture.hub.findDataSets().count == 3)
            let removed = try await fixture.run("dataset", "rm", "a", "--version", "2", "--json")
            #expect(removed.output == "{\"deleted\": 1}\n" && removed.errors == "1 data set deleted\n")
            #expect(try await fixture.run("dataset", "rm", "b").errors == "1 data set deleted\n")
            #expect(try await fixture.run("dataset", "rm", "b").status == 3)
            #expect(try await fixture.run("dataset", "rm", "a", "--force").status == 0)
            #expect(try await fixture.hub.findDataSets().isEmpty)
        }
    }

    @Test func `What is damaged in the database is refused`() async throws {
        try await withCommands { fixture in
            try await fixture.hub.saveDataSet(.bytes(noise(1000), as: "f"), name: "a")
            try await fixture.hub.database.collection("datasetFilesystem.chunks").updateMany(
                [:],
                .document(["$set": ["data": .binary(BSONBinary(bytes: noise(1000, seed: 2)))]])
            )
            let target = "\(fixture.folder)/f"
            let get = try await fixture.run("dataset", "get", "a", "-o", target)
            #expect(get.status == 1 && get.output.isEmpty, "\(get.errors)")
            #expect(entries(fixture.folder).filter { $0.hasPrefix("f") } == [])
            #expect(try await fixture.run("dataset", "get", "a", "-o", "-").status == 1)
        }
    }

    @Test func `What was found damaged is stored anew by the next put`() async throws {
        try await withCommands { fixture in
            let path = try fixture.file("a.bin", noise(1000))
            #expect(try await fixture.run("dataset", "put", path).status == 0)
            try await fixture.hub.database.collection("datasetFilesystem.chunks").updateMany(
                [:],
                .document(["$set": ["data": .binary(BSONBinary(bytes: noise(1000, seed: 2)))]])
            )
            let target = "\(fixture.folder)/out"
            let refused = try await fixture.run("dataset", "get", "a", "-o", target)
            #expect(refused.status == 1)
            #expect(refused.errors.contains("data set 'a' version 1: file 'a.bin' is damaged"), "\(refused.errors)")
            #expect(try await fixture.run("dataset", "put", path).status == 0)
            #expect(try await fixture.run("dataset", "get", "a", "-o", target).status == 0)
            #expect(try await fixture.run("dataset", "get", "a", "-o", target).status == 2)
            #expect(try await fixture.run("dataset", "get", "a", "-o", target, "--force").status == 0)
            #expect(try await fixture.run("dataset", "get", "a", "--version", "1", "-o", "-").status == 1)
        }
    }

    @Test func `A shard is a folder and what is not there has near names`() async throws {
        try await withCommands { fixture in
            let path = try fixture.file("big", noise(200_000))
            #expect(try await fixture.run("dataset", "put", path, "--piece-size", "64KiB").status == 0)
            let part = "\(fixture.folder)/part"
            #expect(try await fixture.run("dataset", "get", "big", "--shard", "3/4", "-o", part).status == 0)
            #expect(entries(part) == ["big.000003"])
            for words in [["ls", "bog"], ["rm", "bog"]] {
                let result = try await fixture.run("tensorhub", ["dataset"] + words)
                #expect(result.status == 3)
                #expect(result.errors.contains("did you mean 'big'?"), "\(result.errors)")
            }
            let version = try await fixture.run("dataset", "rm", "big", "--version", "7")
            #expect(version.status == 3 && version.errors.contains("has no version 7"), "\(version.errors)")
        }
    }

    @Test(arguments: [
        ["--tag", "a=1", "--tag", "a=2"], ["--description", "x", "--tag", "description=y"],
    ])
    func `A tag is given once`(_ options: [String]) async throws {
        try await withCommands { fixture in
            let path = try fixture.file("a", "1")
            let result = try await fixture.run("tensorhub", ["dataset", "put", path] + options)
            #expect(result.status == 2 && result.errors.contains("give it once"), "\(result.errors)")
        }
    }

    @Test func `What a killed get has left is removed by the next one`() async throws {
        try await withCommands { fixture in
            let path = try fixture.file("one", noise(600_000))
            #expect(try await fixture.run("dataset", "put", path).status == 0)
            mkdir("\(fixture.folder)/images", 0o755)
            for index in 0..<2 { _ = try fixture.file("images/\(index)", "image \(index)") }
            #expect(try await fixture.run("dataset", "put", "\(fixture.folder)/images", "--name", "many").status == 0)
            let name = "get-\(UInt64.random(in: 0 ... .max))"
            let slow = fixture.named(name)
            func partials() -> [String] { entries(fixture.folder).filter { $0.contains(".partial-") } }
            for dataSet in ["one", "many"] {
                let words = ["dataset", "get", dataSet, "-o", "\(fixture.folder)/back-\(dataSet)"]
                try await withFailCommand(
                    [
                        "failCommands": ["find"], "blockConnection": true, "blockTimeMS": 600_000,
                        "namespace": .string("\(fixture.hub.database.name).datasetFilesystem.chunks"),
                    ],
                    applicationName: name,
                    times: nil,
                    client: fixture.hub.client
                ) {
                    let killed = try Program.start("tensorhub", words, environment: slow.environment)
                    let isUnderWay = await eventually { partials().count == 1 }
                    #expect(isUnderWay)
                    killed.signal(SIGKILL)
                    let isDead = await eventually { killed.status == -SIGKILL }
                    let left = partials()
                    #expect(isDead && left.count == 1)
                    // The next one takes that away.
                    let living = try Program.start("tensorhub", words, environment: slow.environment)
                    var mine = left
                    let isReplaced = await eventually {
                        mine = partials()
                        return mine.count == 1 && mine != left
                    }
                    #expect(isReplaced)
                    // Nobody takes what somebody is at work on.
                    let quick = try await fixture.run("tensorhub", words)
                    #expect(quick.status == 0, "\(quick.errors)")
                    #expect(partials() == mine)
                    living.signal(SIGKILL)
                    let isOver = await eventually { living.status != nil }
                    #expect(isOver)
                    try await fixture.endOperations(of: name)
                }
                removeTree("\(fixture.folder)/back-\(dataSet)")
                let get = try await fixture.run("tensorhub", words)
                #expect(get.status == 0, "\(get.errors)")
                #expect(partials().isEmpty)
            }
            #expect(try readFile("\(fixture.folder)/back-one") == noise(600_000))
            #expect(try readFile("\(fixture.folder)/back-many/1") == Array("image 1".utf8))
        }
    }
}

/// Bytes that look random and are the same for the same seed.
func noise(_ count: Int, seed: UInt8 = 1) -> [UInt8] {
    var state = UInt32(seed)
    return (0..<count).map { _ in
        state = state &* 1_664_525 &+ 1_013_904_223
        return UInt8(truncatingIfNeeded: state >> 24)
    }
}
