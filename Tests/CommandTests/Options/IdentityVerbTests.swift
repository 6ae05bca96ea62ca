import BSON
import Glibc
import TensorHub
import TestSupport
import Testing

/// Names, keys and paths on the command line are their bytes.
@Suite struct IdentityVerbTests {
    private static let nfc = "caf\u{E9}"
    private static let nfd = "cafe\u{301}"

    @Test func `Keys that look alike have a column each, in results and in logs`() async throws {
        try await withCommands { fixture in
            let values = BSONValue.document(BSONDocument(dictionaryLiteral: (Self.nfc, 1), (Self.nfd, 2)))
            try await fixture.store(["hyper_parameters": values, "result": ["acc": 0.5]])
            let results = try await fixture.run("results", "--csv")
            #expect(results.line(0).bytes == "id,name,status,number,\(Self.nfc),\(Self.nfd),acc", "\(results.lines)")
            #expect(results.line(1).bytes.hasSuffix(",1,2,0.5"), "\(results.lines)")
            try await fixture.hub.saveLog(.training, try #require(values.documentValue))
            let export = try await fixture.run("log", "export", "training", "--format", "csv")
            #expect(export.line(0).bytes.hasSuffix(",\(Self.nfc),\(Self.nfd)"), "\(export.lines)")
            let field = try await fixture.run("log", "export", "training", "--format", "csv", "--field", Self.nfd)
            #expect(field.line(1).bytes.hasSuffix(",2"), "\(field.lines)")
            let list = try await fixture.run("log", "ls", "training")
            #expect(list.line(0).bytes.split(separator: " ").map(\.text).hasBytes(of: Self.nfc), "\(list.lines)")
        }
    }

    @Test func `Parameters, grids, result keys and files that look alike are two`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("t.sh", "#!/bin/sh\ntrue\n")
            let grid = try fixture.file("grid.jsonl", "{\"\(Self.nfd)\": 3}\n{\"\(Self.nfc)\": 4}\n")
            let (one, other) = (try fixture.file(Self.nfc, "1"), try fixture.file(Self.nfd, "2"))
            let made = try await fixture.run(
                "submit",
                script,
                "-p",
                "\(Self.nfc)=1",
                "-p",
                "\(Self.nfd)=2",
                "--each",
                grid,
                "--result",
                Self.nfc,
                "--result",
                Self.nfd,
                "--file",
                one,
                "--file",
                other,
                "--hold"
            )
            #expect(made.status == 0, "\(made.errors)")
            let tasks = try await fixture.hub.findTasks()
            #expect(
                tasks.map { $0.hyperParameters } == [
                    BSONDocument(dictionaryLiteral: (Self.nfc, 1), (Self.nfd, 3)),
                    BSONDocument(dictionaryLiteral: (Self.nfc, 4), (Self.nfd, 2)),
                ]
            )
            #expect(tasks[0].savedResultKeys?.map(\.bytes) == [Self.nfc.bytes, Self.nfd.bytes])
            let whole = try await fixture.hub.task(try #require(tasks[0].id))
            let files = whole.document.value(atPath: "hub.files")?.arrayValue?.compactMap {
                $0.documentValue?["path"]
            }
            #expect(files == [.string(Self.nfc), .string(Self.nfd)])
        }
    }

    @Test func `A path or name with an accent behind its slash is seen through`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("t.sh", "#!/bin/sh\ntrue\n")
            let file = try fixture.file("f", "1")
            for name in ["../\u{301}x", "/\u{301}x", "a/../../\u{301}b"] {
                let made = try await fixture.run("submit", script, "--hold", "--file", "\(file)=\(name)")
                #expect(made.status == 2 && made.errors.contains("must be relative"), "\(made.errors)")
            }
            for name in ["a/\u{301}b", ".\u{301}a"] {
                #expect(try await fixture.run("dataset", "put", file, "--name", name).status == 2)
                #expect(try await fixture.run("model", "put", file, "--name", name).status == 2)
            }
            // Its own name is what stands behind the last slash, and the value of an assignment what stands behind the
            // =.
            mkdir("\(fixture.folder)/d", 0o755)
            let odd = try fixture.file("d/\u{301}f", "1")
            #expect(try await fixture.run("submit", script, "--hold", "--file", odd, "-p", "a=\u{338}b").status == 0)
            let task = try #require(try await fixture.hub.findTasks().first)
            #expect(task.hyperParameters == ["a": "\u{338}b"])
            let whole = try await fixture.hub.task(try #require(task.id))
            let paths = whole.document.value(atPath: "hub.files")?.arrayValue?.compactMap { $0.documentValue?["path"] }
            #expect(paths == ["\u{301}f"])
        }
    }

    @Test func `Comma-separated values quote a quotation mark whatever accent stands behind it`() async throws {
        try await withCommands { fixture in
            try await fixture.store(["result": ["note": "a\"\u{301},b"]])
            let results = try await fixture.run("results", "--csv")
            #expect(results.line(1).bytes.hasSuffix(",\"a\"\"\u{301},b\""), "\(results.lines)")
        }
    }

    @Test func `An order by a field that there is none of is refused and names the one that was meant`() async throws {
        try await withCommands { fixture in
            let ids = try await fixture.store(
                ["hub": ["v": 1, "priority": 1, "attempt": 0]],
                ["hub": ["v": 1, "priority": 3, "attempt": 0]],
                ["hub": ["v": 1, "priority": -2, "attempt": 0]]
            ).map(\.description)
            for sort in ["priority", "hub.priorty", "status:1,priority:-1", "Priority"] {
                let refused = try await fixture.run("ls", "--sort", sort)
                #expect(
                    refused.status == 2 && refused.errors.contains("did you mean 'hub.priority'?"),
                    "\(refused.errors)"
                )
            }
            let sorted = try await fixture.run("ls", "-q", "--sort", "hub.priority:-1")
            #expect(sorted.lines == [ids[1], ids[0], ids[2]])
            #expect(try await fixture.run("ls", "--sort", "nothing").status == 2)
        }
    }

    @Test func `A listing by a result begins with numbers, and one by two fields too`() async throws {
        try await withCommands { fixture in
            let values: [BSONValue] = ["z", 0.5, .double(.nan), true, 0.9, ["x": 1], .null, [7]]
            var ids: [String] = []
            for value in values { ids += try await fixture.store(["result": ["acc": value]]).map(\.description) }
            ids += try await fixture.store(["result": [:]], ["result": ["acc": 99], "status": "failed"]).map(
                \.description
            )
            func first(_ sort: String, _ count: Int) async throws -> [String] {
                try await Array(fixture.run("ls", "-q", "--sort", sort).lines.prefix(count))
            }
            #expect(try await first("result.acc:-1", 3) == [ids[9], ids[4], ids[1]])
            #expect(try await first("result.acc", 3) == [ids[1], ids[4], ids[9]])
            #expect(try await first("status:-1,result.acc:-1", 2) == [ids[4], ids[1]])
            #expect(try await first("status:1,result.acc:1", 3) == [ids[9], ids[1], ids[4]])
            let best = try await fixture.run("results", "--best", "acc", "--top", "1", "--json")
            #expect(best.output.contains(ids[4]), "\(best.output)")
        }
    }

    @Test func `The best model is one with a number, by every way to it`() async throws {
        try await withCommands { fixture in
            for metric in [0.9, "n/a", false, .double(.nan), [0.95], ["top1": 1]] as [BSONValue] {
                try await fixture.hub.saveModel(.bytes([1], as: "f"), name: "m", tags: ["acc": metric])
            }
            for sort in ["acc:-1", "acc:1", "model_name:1,acc:-1"] {
                let got = try await fixture.run("model", "show", "m", "--sort", sort, "--json")
                #expect(got.status == 0 && got.output.contains("\"acc\": 0.9,"), "\(sort): \(got.output)\(got.errors)")
            }
        }
    }

    @Test func `Log entries in the order of a value begin with numbers`() async throws {
        try await withCommands { fixture in
            for loss in [.double(.nan), 0.3, "x", 0.1, .null] as [BSONValue] {
                try await fixture.hub.saveLog(.training, ["loss": loss])
            }
            let hub = fixture.hub
            let sorted = try await hub.logs(.training, sort: .ascending("loss"))
            #expect(sorted.count == 5 && sorted.prefix(2).map { $0.document["loss"] } == [0.1, 0.3])
            #expect(
                try await hub.logs(.training, sort: .descending("loss"), limit: 1).map { $0.document["loss"] } == [0.3]
            )
            let rest = try await hub.logs(.training, sort: .ascending("loss"), limit: 2, skip: 1).map {
                $0.document["loss"]
            }
            #expect(rest == [0.3, "x"])
            #expect(try await hub.logs(.training, sort: .ascending("loss"), skip: 2).count == 3)
        }
    }
}
