import BSON
import TensorHub
import Testing

@Suite struct ShowTests {
    private static let failed: BSONDocument = [
        "task_name": "mnist", "status": "failed", "hyper_parameters": ["lr": 0.1], "owner": "ann",
        "hub": [
            "attempt": 1, "max_failures": 1, "failures": 1, "backoff": 90.0,
            "rules": [["exit": 3, "then": "fail"], ["output": "CUDA error", "then": "elsewhere"]],
            "started": .dateTime(.init(millisecondsSince1970: 1000)),
            "ended": .dateTime(.init(millisecondsSince1970: 63_000)),
            "files": [["path": "data.csv", "mode": 420, "data": .binary(.init(bytes: [1]))]],
            "history": [
                [
                    "attempt": 1, "host": "gpu1", "start": .dateTime(.init(millisecondsSince1970: 1000)),
                    "end": .dateTime(.init(millisecondsSince1970: 63_000)), "cause": "exit-status", "exit": 3,
                    "peak_memory": .int64(104_857_600),
                ]
            ],
            "error": [
                "kind": "exit-status", "message": "the script ended with 3", "tail": "10%\r20%\nboom\u{1B}[2J\n",
            ],
        ],
    ]

    @Test func `Tells everything about a task`() async throws {
        try await withCommands { fixture in
            let id = try await fixture.store(Self.failed)[0]
            let result = try await fixture.run("show", "\(id)")
            #expect(result.status == 0, "\(result.errors)")
            for part in [
                "\(id)", "mnist", "failed", "1 of 1", "1m02s", "lr  0.1", "owner  ann", "data.csv", "gpu1",
                "exit-status", "1m30s", "exit=3:fail, output=CUDA error:elsewhere", "100 MiB",
                "the script ended with 3", "    20%\n    boom\n",
            ] {
                #expect(result.output.contains(part), "\(part) is missing in \(result.output)")
            }
            #expect(!result.output.contains("\u{1B}"))
        }
    }

    @Test func `Writes the document without the bytes of script and files`() async throws {
        try await withCommands { fixture in
            let id = try await fixture.store(Self.failed)[0]
            let document = try BSONDocument(extendedJSON: try await fixture.run("show", "\(id)", "--json").output)
            #expect(document["_id"] == .objectID(id))
            #expect(document["script"] == nil)
            #expect(document.value(atPath: "hub.files.0.path") == "data.csv")
            #expect(document.value(atPath: "hub.files.0.data") == nil)
        }
    }

    @Test func `Writes the script byte for byte`() async throws {
        try await withCommands { fixture in
            let id = try await fixture.store([:])[0]
            #expect(try await fixture.run("show", "\(id)", "--script").output == "#!/bin/true\n")
        }
    }

    @Test func `An unknown id is nothing matched`() async throws {
        try await withCommands { fixture in
            let result = try await fixture.run("show", "000000000000000000000000")
            #expect(result.status == 3)
            #expect(result.errors.contains("no task 000000000000000000000000 in project 'test'"))
        }
    }
}
