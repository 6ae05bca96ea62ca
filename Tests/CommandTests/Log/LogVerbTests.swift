import BSON
import Glibc
import TensorHub
import TestSupport
import Testing

@Suite struct LogVerbTests {
    @Test func `An entry is added, listed and removed`() async throws {
        try await withCommands { fixture in
            let added = try await fixture.run("log", "add", "train", "loss=0.3", "step=4", "note=a,b", "worst=NaN")
            #expect(added.status == 0, "\(added.errors)")
            let entry = try #require(try await fixture.hub.logs(.training).first)
            #expect(added.lines == [try #require(entry.id).description])
            #expect(entry.document["loss"] == 0.3 && entry.document["step"] == 4 && entry.document["note"] == "a,b")
            #expect(entry.document["worst"]?.doubleValue?.isNaN == true)

            let time = try #require(entry.time)
            let csv = try await fixture.run("log", "ls", "training", "--csv")
            #expect(
                csv.lines == [
                    "id,time,task,attempt,loss,step,note,worst", "\(added.line(0)),\(time),,,0.3,4,\"a,b\",NaN",
                ]
            )
            let table = try await fixture.run("log", "ls", "training")
            #expect(
                table.lines.map { $0.split(separator: " ").map(String.init) } == [
                    ["TIME", "loss", "step", "note", "worst"], ["\(time)", "0.3", "4", "a,b", "NaN"],
                ]
            )
            let json = try await fixture.run("log", "ls", "training", "--json")
            #expect(try BSONValue(extendedJSON: json.output).arrayValue?.count == 1)

            #expect(try await fixture.run("log", "rm", "training").status == 2)
            let none = try await fixture.run("log", "rm", "training", "--filter", #"{"loss": 7}"#)
            #expect(none.status == 3)
            #expect(try await fixture.run("log", "rm", "training", "--all").errors.contains("1 entry deleted"))
            #expect(try await fixture.run("log", "ls", "training").status == 3)
        }
    }

    @Test func `JSON lines on standard input are entries, saved up to the first that is none`() async throws {
        try await withCommands { fixture in
            let lines = (0..<2500).map { "{\"n\": \($0), \"loss\": NaN}" }.joined(separator: "\n")
            let added = try await fixture.run("log", "add", "testing", "-", input: lines)
            #expect(added.status == 0 && added.lines.count == 2500, "\(added.errors)")
            #expect(try await fixture.hub.logs(.testing).map { $0.document["n"]?.intValue } == Array(0..<2500))

            let broken = try await fixture.run(
                "log",
                "add",
                "valid",
                "-",
                input: "{\"n\": 1}\n\n{\"n\": 2}\n{\"n\"\n{}\n"
            )
            #expect(broken.status == 2)
            #expect(broken.errors.contains("line 4 of standard input is no log entry"), "\(broken.errors)")
            #expect(broken.errors.contains("2 entries before it saved"))
            #expect(try await fixture.hub.countLogs(.validation) == 2)
        }
    }

    @Test func `Entries are chosen by task, by the name of tasks and by filter`() async throws {
        try await withCommands { fixture in
            let ids = try await fixture.store(["task_name": "mnist"], ["task_name": "other"], ["task_name": "mnist"])
            for (index, id) in ids.enumerated() {
                let values: BSONDocument = ["n": .init(smallest: index)]
                try await fixture.hub.saveLog(.training, values, origin: AttemptID(task: id, number: 1))
            }
            func numbers(_ arguments: String...) async throws -> [String] {
                let result = try await fixture.run(
                    "tensorhub",
                    ["log", "export", "training", "--field", "n"] + arguments
                )
                return result.lines.dropFirst().map { String($0.split(separator: ",").last ?? "") }
            }
            #expect(try await numbers() == ["0", "1", "2"])
            #expect(try await numbers("--name", "mnist") == ["0", "2"])
            #expect(try await numbers("--task", "\(ids[1])") == ["1"])
            #expect(try await numbers("--filter", #"{"n": {"$gt": 0}}"#, "--sort", "n:-1") == ["2", "1"])
            let unknown = try await fixture.run("log", "ls", "training", "--name", "mnits")
            #expect(unknown.status == 3 && unknown.errors.contains("no task of project test is named mnits"))
        }
    }

    @Test func `An export has every value of every entry as a column`() async throws {
        try await withCommands { fixture in
            try await fixture.hub.saveLogs(.training, [["a": 1], ["b": ["c": 2]], ["a": 3, "d": "x"]])
            let csv = try await fixture.run("log", "export", "training")
            #expect(
                csv.lines.map {
                    $0.split(separator: ",", omittingEmptySubsequences: false).dropFirst(4).joined(separator: ",")
                }
                    == ["a,b.c,d", "1,,", ",2,", "3,,x"]
            )
            let json = try await fixture.run("log", "export", "training", "--format", "json")
            #expect(try json.lines.map { try BSONDocument(extendedJSON: $0).count } == [4, 4, 5])
            #expect(try await fixture.run("log", "export", "testing").status == 3)
        }
    }

    @Test func `A follower prints what is there and what comes`() async throws {
        try await withCommands { fixture in
            try await fixture.hub.saveLogs(.training, [["n": 1], ["n": 2]])
            let follower = try fixture.start("log", "ls", "training", "-f", "--json", "--limit", "1")
            #expect(await eventually { follower.output.contains(#""n": 2"#) })
            try await fixture.hub.saveLogs(.training, [["n": 3], ["n": 4]])
            #expect(await eventually { follower.output.contains(#""n": 4"#) })
            #expect(!follower.output.contains(#""n": 1"#))
            #expect(follower.output.split(separator: "\n").count == 3)
            follower.signal(SIGINT)
            #expect(try await fixture.end(of: follower).status == 130)
        }
    }

    @Test func `A plot has a line for each task, named by what differs`() async throws {
        try await withCommands { fixture in
            let ids = try await fixture.store(
                ["task_name": "m", "hyper_parameters": ["lr": 0.1, "n": 3]],
                ["task_name": "m", "hyper_parameters": ["lr": 0.2, "n": 3]]
            )
            for (index, id) in ids.enumerated() {
                let values = (0..<5).map { step -> BSONDocument in
                    ["step": .init(smallest: step), "loss": .double(Double((index + 1) * (4 - step)))]
                }
                try await fixture.hub.saveLogs(.training, values, origin: AttemptID(task: id, number: 1))
            }
            let plot = try await fixture.run("log", "plot", "loss", "--name", "m", "--width", "40", "--height", "6")
            #expect(plot.status == 0, "\(plot.errors)")
            #expect(
                plot.output
                    == """
                    oo lr=0.1  xx lr=0.2
                    10 ┤
                       │xxxxx
                       │     xxxxxxxxx
                     5 ┤ooooo         xxxxxxxx
                       │     oooooooooooooooooxxxxxxxxx
                     0 ┤                      oooooooooxxxxx
                       └┬─────────────────┬────────────────┬
                        0                 2                4
                                    loss by step

                    """
            )
        }
    }

    @Test func `Pictures are written as SVG and as PNG`() async throws {
        try await withCommands { fixture in
            try await fixture.hub.saveLogs(.training, (0..<50).map { ["loss": .double(1 / Double($0 + 1))] })
            let (svg, png) = ("\(fixture.folder)/a.svg", "\(fixture.folder)/a.png")
            let result = try await fixture.run("log", "plot", "loss", "--svg", svg, "--png", png, "--size", "400x300")
            #expect(result.status == 0 && result.output.isEmpty, "\(result.errors)")
            let check = """
                import struct, sys, xml.dom.minidom, zlib
                xml.dom.minidom.parse(sys.argv[1])
                data = open(sys.argv[2], "rb").read()
                assert data[:8] == b"\\x89PNG\\r\\n\\x1a\\n"
                place, image = 8, b""
                while place < len(data):
                    size, kind = struct.unpack(">I4s", data[place:place + 8])
                    body = data[place + 8:place + 8 + size]
                    assert struct.unpack(">I", data[place + 8 + size:place + 12 + size])[0] == zlib.crc32(kind + body)
                    if kind == b"IHDR": width, height = struct.unpack(">II", body[:8])
                    if kind == b"IDAT": image += body
                    place += 12 + size
                rows = zlib.decompress(image)
                assert (width, height) == (400, 300) and len(rows) == height * (1 + 3 * width)
                above, colours = bytes(3 * width), set()
                for y in range(height):
                    row = rows[y * (1 + 3 * width):(y + 1) * (1 + 3 * width)]
                    assert row[0] == 2
                    above = bytes((a + b) & 255 for a, b in zip(above, row[1:]))
                    colours |= {above[x:x + 3] for x in range(0, len(above), 3)}
                assert {b"\\xff\\xff\\xff", b"\\x1f\\x77\\xb4", b"\\x33\\x33\\x33"} <= colours, len(colours)
                """
            let script = try fixture.file("check.py", check)
            let program = try Program.start(
                "/usr/bin/env",
                ["python3", script, svg, png],
                environment: fixture.environment
            )
            program.send("")
            let end = try await fixture.end(of: program)
            #expect(end.status == 0, "\(end.errors)")
        }
    }

    @Test func `A value that is no number, or is nowhere, is told`() async throws {
        try await withCommands { fixture in
            try await fixture.hub.saveLogs(.training, [["loss": 1], ["loss": "high"]])
            let text = try await fixture.run("log", "plot", "loss")
            #expect(text.status == 2 && text.errors.contains(#"log value 'loss' of entry "#), "\(text.errors)")
            #expect(text.errors.contains(#"is "high", no number"#))
            let nowhere = try await fixture.run("log", "plot", "lost")
            #expect(nowhere.status == 3 && nowhere.errors.contains("has lost; there are loss"), "\(nowhere.errors)")
            #expect(try await fixture.run("log", "plot", "loss", "--kind", "testing").status == 3)
        }
    }

    @Test(arguments: [
        ["add", "train"], ["add", "nonsense", "a=1"], ["add", "train", "time=1"], ["add", "train", "a"],
        ["add", "train", "a=1", "-"], ["ls", "train", "--csv", "--json"], ["ls", "train", "-f", "--sort", "a"],
        ["ls", "train", "--limit", "-1"], ["ls", "train", "--task", "x"], ["rm", "train", "--all", "--name", "a"],
        ["export", "train", "--format", "xml"], ["plot"], ["plot", "hub"], ["plot", "a", "a"],
        ["plot", "a", "--size", "big"], ["plot", "a", "--width", "3"], ["ls", "train", "--filter", "{"],
        ["ls", "train", "--sort", "a:2"], ["export", "train", "--sort", ""],
    ])
    func `Bad input is refused`(_ arguments: [String]) async throws {
        try await withCommands { fixture in
            let result = try await fixture.run("tensorhub", ["log"] + arguments, input: "")
            #expect(result.status == 2, "\(result.errors)")
            #expect(!result.errors.isEmpty)
        }
    }

    @Test(arguments: ["nan", "NaN", "inf", "+INF", "-inf", "Infinity", "-infinity"])
    func `What is no finite number is a number`(_ text: String) async throws {
        try await withCommands { fixture in
            #expect(try await fixture.run("log", "add", "training", "x=\(text)", "word=nano").status == 0)
            let entry = try await fixture.hub.logs(.training)[0].document
            #expect(entry["x"]?.doubleValue?.isFinite == false)
            #expect(entry["word"] == "nano")
        }
    }

    @Test func `A field that no entry has is told, and a task that is not there`() async throws {
        try await withCommands { fixture in
            try await fixture.hub.saveLog(.training, ["loss": 1])
            let sorted = try await fixture.run("log", "ls", "training", "--sort", "los:-1")
            #expect(sorted.status == 2 && sorted.errors.contains("did you mean 'loss'?"), "\(sorted.errors)")
            #expect(try await fixture.run("log", "ls", "training", "--sort", "loss:-1,time:1").status == 0)
            let exported = try await fixture.run("log", "export", "training", "--field", "nope")
            #expect(exported.status == 2 && exported.output.isEmpty, "\(exported.errors)")
            #expect(exported.errors.contains("there are loss"), "\(exported.errors)")
            for words in [["ls", "training"], ["ls", "-f", "training"], ["rm", "training"], ["plot", "loss"]] {
                let id = "65f0c0ffee0123456789abcd"
                let result = try await fixture.run("tensorhub", ["log"] + words + ["--task", id])
                #expect(result.status == 3)
                #expect(result.errors.contains("there is no task \(id)"), "\(result.errors)")
            }
        }
    }

    @Test func `Along order and time only the latest attempt is drawn`() async throws {
        try await withCommands { fixture in
            let task = ObjectID()
            for (attempt, losses) in [(1, [9.0, 9, 9]), (2, [1, 1])] {
                let origin = AttemptID(task: task, number: attempt)
                for loss in losses { try await fixture.hub.saveLog(.training, ["loss": .double(loss)], origin: origin) }
            }
            for words in [[], ["--x", "order"], ["--x", "time"]] {
                let text = try await fixture.run("tensorhub", ["log", "plot", "loss", "--width", "60"] + words)
                #expect(text.status == 0 && !text.output.contains("9 "), "\(text.output)")
            }
        }
    }
}
