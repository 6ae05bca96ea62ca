import BSON
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// What is shown and exported is whole, and nothing in it is taken for something else.
@Suite struct ExportTests {
    private func store(_ fixture: CommandFixture, _ output: [UInt8], of id: ObjectID) async throws {
        var seq: Int64 = 0
        for start in stride(from: 0, to: output.count, by: 100_001) {
            let data = Array(output[start..<min(output.count, start + 100_001)])
            _ = try await fixture.outputs.insertMany([
                [
                    "task_id": .objectID(id), "attempt": 1, "seq": .int64(seq), "offset": .int64(Int64(start)),
                    "data": .binary(BSONBinary(bytes: data)),
                ]
            ])
            seq += 1
        }
    }

    @Test(arguments: ["{\"a\": \"\(String(repeating: "x", count: 100_000))\"}", String(repeating: "é", count: 200_000)])
    func `A long line is shown whole`(_ line: String) async throws {
        try await withCommands { fixture in
            let id = try await fixture.store([:])[0]
            try await store(fixture, Array("first\n\(line)\nend".utf8), of: id)
            #expect(try await fixture.run("logs", "\(id)").lines == ["first", line, "end"])
            let objects = try await fixture.run("logs", "\(id)", "--json").lines.map {
                try BSONDocument(extendedJSON: $0)
            }
            #expect(objects.map { $0["text"] } == ["first", .string(line), "end"])
            #expect(objects.allSatisfy { $0.count == 2 })
        }
    }

    @Test func `A line that is no UTF-8 comes with its bytes`() async throws {
        try await withCommands { fixture in
            let id = try await fixture.store([:])[0]
            try await store(fixture, [0x61, 0xFF, 0x0A, 0x62, 0x0A], of: id)
            let objects = try await fixture.run("logs", "\(id)", "--json").lines.map {
                try BSONDocument(extendedJSON: $0)
            }
            #expect(objects.count == 2 && objects[0]["text"] == "a\u{FFFD}" && objects[1].count == 2)
            #expect(objects[0]["bytes"]?.binaryValue?.bytes == [0x61, 0xFF])
        }
    }

    @Test func `Entries come with the hyper-parameters of their tasks on request`() async throws {
        try await withCommands { fixture in
            let ids = try await fixture.store(
                ["hyper_parameters": ["lr": 0.1, "opt": ["name": "sgd"]]],
                ["hyper_parameters": ["lr": 0.01, "loss": 5]]
            )
            for (index, id) in ids.enumerated() {
                let entry: BSONDocument = ["loss": .init(smallest: index), "parameter": ["lr": "mine"]]
                _ = try await fixture.hub.saveLogs(.training, [entry], origin: AttemptID(task: id, number: 1))
            }
            let foreign: BSONDocument = ["loss": 7]
            _ = try await fixture.hub.saveLogs(.training, [foreign])
            let csv = try await fixture.run("log", "export", "training", "--with-parameters")
            #expect(csv.status == 0, "\(csv.errors)")
            #expect(
                csv.line(0)
                    == "id,time,task,attempt,loss,value.parameter.lr,parameter.lr,parameter.opt.name,parameter.loss"
            )
            #expect(csv.line(1).hasSuffix(",\(ids[0]),1,0,mine,0.1,sgd,"))
            #expect(csv.line(2).hasSuffix(",\(ids[1]),1,1,mine,0.01,,5"))
            #expect(csv.line(3).hasSuffix(",,,7,,,,"))
            let few = try await fixture.run("log", "export", "training", "--with-parameters", "--field", "loss")
            #expect(few.line(0) == "id,time,task,attempt,loss,parameter.lr,parameter.opt.name,parameter.loss")
            let json = try await fixture.run("log", "export", "training", "--format", "json", "--with-parameters")
            let objects = try json.lines.map { try BSONDocument(extendedJSON: $0) }
            #expect(objects.map { $0.value(atPath: "hyper_parameters.lr") } == [0.1, 0.01, nil])
            #expect(try await !fixture.run("log", "export", "training").output.contains("opt"))
        }
    }

    @Test func `A value of a log that is called as one of our columns has a column of its own`() async throws {
        try await withCommands { fixture in
            let entry = try await fixture.run("log", "add", "training", "task=CartPole", "id=3", "loss=1", "attempt=7")
            #expect(entry.status == 0)
            _ = try await fixture.run(
                "log",
                "add",
                "training",
                "value={\"task\": 5}",
                "TIME=now",
                "a={\"b\": {\"c\": 1}}"
            )
            let export = try await fixture.run("log", "export", "training").lines
            #expect(
                export.first
                    == "id,time,task,attempt,value.task,value.id,loss,value.attempt,value.value.task,value.TIME,a.b"
            )
            #expect(export[1].hasSuffix(",,,CartPole,3,1,7,,,"))
            #expect(export[2].hasSuffix(",,,,,,,5,now,\"{\"\"c\"\": 1}\""))
            #expect(try await fixture.run("log", "ls", "training", "--csv").lines == export)
            let titles = try await fixture.run("log", "ls", "training").line(0).split(separator: " ")
            #expect(Set(titles).count == titles.count && titles.contains("value.TIME"))

            let some = try await fixture.run("log", "export", "training", "--field", "task", "--field", "a.b.c").lines
            #expect(some.first == "id,time,task,attempt,value.task,a.b.c")
            #expect(some[1].hasSuffix(",,,CartPole,") && some[2].hasSuffix(",,,,1"))
            for field in ["time", "_id", "hub.task", "project_name"] {
                let bad = try await fixture.run("log", "export", "training", "--field", field)
                #expect(bad.status == 2 && bad.output.isEmpty, "\(field)")
            }
            for fields in [["loss", "loss"], ["a", "a.b"]] {
                let bad = try await fixture.run("log", "export", "training", "--field", fields[0], "--field", fields[1])
                #expect(bad.status == 2 && bad.output.isEmpty && bad.errors.contains("--field"), "\(bad.errors)")
            }
        }
    }

    @Test func `Keys of one spelling in two ways are two columns`() async throws {
        try await withCommands { fixture in
            _ = try await fixture.run("log", "add", "training", "e\u{301}=1", "\u{e9}=2")
            let rows = try await fixture.run("log", "export", "training").lines
            #expect(
                rows[0].utf8.elementsEqual("id,time,task,attempt,e\u{301},\u{e9}".utf8) && rows[1].hasSuffix(",1,2")
            )
        }
    }

    @Test func `No two columns of results have one name`() async throws {
        try await withCommands { fixture in
            let result: [(String, BSONValue)] = [
                ("acc", 4), ("status", 5), ("result", ["acc": 6]), ("a.b", 7), ("a", ["b": 8]),
                ("hyper_parameters.lr", 9),
            ]
            try await fixture.store([
                "hyper_parameters": ["name": "x", "lr": 1, "acc": 2, "ID": 3],
                "result": .document(BSONDocument(elements: result)),
            ])
            let csv = try await fixture.run("results", "--csv").lines
            #expect(
                csv[0]
                    == "id,name,status,number,hyper_parameters.name,lr,hyper_parameters.acc,hyper_parameters.ID,result.acc,"
                    + "result.status,result.result.acc,a\\.b,a.b,hyper_parameters\\.lr"
            )
            #expect(csv[1].hasSuffix(",,finished,,x,1,2,3,4,5,6,7,8,9"))
            let best = try await fixture.run("results", "--best", "a\\.b", "--csv")
            #expect(best.status == 0 && best.lines.count == 2, "\(best.errors)")
        }
    }

    @Test(arguments: ["dataset", "model"])
    func `A folder of one file comes back as a folder`(_ noun: String) async throws {
        try await withCommands { fixture in
            let folder = "\(fixture.folder)/in"
            for path in [folder, "\(folder)/train"] { mkdir(path, 0o755) }
            _ = try fixture.file("in/train/data.csv", "x")
            #expect(try await fixture.run(noun, "put", folder, "--name", "d").status == 0)
            let out = "\(fixture.folder)/out"
            let get = try await fixture.run(noun, "get", "d", "-o", out)
            #expect(get.output == "\(out)\n", "\(get.errors)")
            #expect(try readFile("\(out)/train/data.csv") == [0x78])
            let stream = try await fixture.run(noun, "get", "d", "-o", "-")
            #expect(stream.status == 2 && stream.output.isEmpty && stream.errors.contains("--file 'train/data.csv'"))
            #expect(try await fixture.run(noun, "get", "d", "--file", "train/data.csv", "-o", "-").output == "x")
            let one = try await fixture.run(noun, "get", "d", "--file", "train/data.csv", "-o", "\(fixture.folder)/one")
            let bytes = try readFile("\(fixture.folder)/one")
            #expect(one.status == 0 && bytes == [0x78])
            let json = try await fixture.run(noun, "get", "d", "-o", "\(fixture.folder)/third", "--json").output
            #expect(
                try BSONDocument(extendedJSON: json)["files"] == [.string("\(fixture.folder)/third/train/data.csv")]
            )
        }
    }

    @Test func `A plot says what it does not draw`() async throws {
        try await withCommands { fixture in
            let lines = """
                {"step": 1, "loss": 1, "epoch": 1}
                {"step": 2, "loss": NaN, "epoch": 1}
                {"step": 3, "loss": -1}
                """
            #expect(try await fixture.run("log", "add", "training", "-", input: lines).status == 0)
            let both = try await fixture.run("log", "plot", "loss", "val_loss")
            #expect(both.status == 0, "\(both.errors)")
            #expect(both.errors.contains("not drawn of 'val_loss': no entry has it"))
            #expect(both.errors.contains("not drawn of 'loss': 1 value NaN or infinite"))
            let scale = try await fixture.run("log", "plot", "loss", "--log-scale", "--x", "epoch")
            #expect(scale.errors.contains("1 value NaN or infinite, 1 value without 'epoch'"), "\(scale.errors)")
            let positive = try await fixture.run("log", "plot", "loss", "--log-scale")
            #expect(positive.errors.contains("1 value not positive"), "\(positive.errors)")
            let steps = try await fixture.run("log", "plot", "step")
            #expect(steps.status == 0 && steps.errors.isEmpty)
        }
    }

    @Test func `A difference of types is seen`() async throws {
        try await withCommands { fixture in
            let file = try fixture.file("m", "x")
            for tag in ["n=1", "n=\"1\"", "n=1.0", "n=\"e\u{301}\"", "n=\"\u{e9}\""] {
                #expect(try await fixture.run("model", "put", file, "--name", "m", "--tag", tag).status == 0)
            }
            let texts = try await fixture.run("model", "diff", "m@1", "m@2").output
            #expect(texts == "tags\n  ~ n  1 -> \"1\"\n")
            #expect(try await fixture.run("model", "diff", "m@1", "m@3").output == "tags\n  ~ n  1 -> 1.0\n")
        }
    }
}
