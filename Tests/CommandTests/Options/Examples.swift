import BSON
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// The examples of a help text, and the folder in which they can be run.
struct Examples {
    /// `tensorhub dataset get`.
    let command: String
    let lines: [String]

    /// Of every command that has some, in the order of the help.
    static func all(_ fixture: CommandFixture) async throws -> [Examples] {
        let help = try await fixture.run("--experimental-dump-help").output
        let tool = try BSONDocument(extendedJSON: help, options: ExtendedJSONOptions(plain: true))
        return of(tool["command"]?.documentValue ?? [:], above: "")
    }

    private static func of(_ command: BSONDocument, above: String) -> [Examples] {
        let name = above + (command["commandName"]?.stringValue ?? "")
        let below = command["subcommands"]?.arrayValue?.compactMap(\.documentValue) ?? []
        let own = Examples(command: name, lines: lines(command["discussion"]?.stringValue ?? ""))
        return (own.lines.isEmpty ? [] : [own]) + below.flatMap { of($0, above: name + " ") }
    }

    /// What is indented below a line that announces it.
    private static func lines(_ discussion: String) -> [String] {
        var lines: [String] = []
        var isExample = false
        for line in discussion.split(separator: "\n", omittingEmptySubsequences: false) {
            if isExample, line.hasPrefix("  ") {
                lines.append(String(line.dropFirst(2)))
            } else {
                isExample = line.hasPrefix("Example") && line.hasSuffix(":")
            }
        }
        return lines
    }

    /// Whether it goes on until Ctrl-C.
    static func isEndless(_ line: String) -> Bool {
        ["tensorhub serve ", "tensorhub dev --slots"].contains { line.hasPrefix($0) }
            || (line.hasPrefix("tensorhub log ls") && line.hasSuffix(" -f"))
    }

    /// Statuses with which it may end, as the help of its command documents them.
    static func statuses(_ line: String) -> [Int32] {
        // Whether something is old enough depends on the day.
        line.hasPrefix("tensorhub prune ") ? [0, 3] : [0]
    }

    /// The line for a folder of the test's own: the examples name places that every machine has.
    static func local(_ line: String, _ folder: String) -> String {
        var line = line
        for (place, own) in [
            ("/data/", "\(folder)/data/"), ("/run/user/1000/", "\(folder)/"), ("127.0.0.1:8321", "127.0.0.1:0"),
        ] {
            line = line.replacing(place, with: own)
        }
        return line
    }

    /// Where an example writes to, so that nothing of another one is in its way.
    static func targets(_ line: String) -> [String] {
        let words = line.split(separator: " ").map(String.init)
        return zip(words, words.dropFirst()).filter { ["-o", ">"].contains($0.0) && $0.1 != "-" }.map(\.1)
    }

    static let task = "65f0c0ffee0123456789abcd"
    static let script = "import os\nloss = 0.3\ntest_accuracy = 0.97\n"

    /// The files that the examples name, and programs in the place of those that they call.
    static func prepare(_ fixture: CommandFixture) async throws {
        let files = [
            "train.py": script, "base.json": #"{"epochs": 2}"#, "grid.jsonl": "{\"lr\": 0.1}\n{\"lr\": 0.01}\n",
            "big.tar": "pieces", "mlp.safetensors": "parameters",
            "mlp.json": #"{"layers": [800, 600]}"#, "sweep.sh": "#!/bin/sh\ntensorhub ls -q; exit 0\n",
            "bin/pg_dump": "#!/bin/sh\necho events\n", "bin/generate-grid": "#!/bin/sh\necho '{\"lr\": 0.1}'\n",
            "bin/my-simulation": "#!/bin/sh\necho '{\"loss\": 0.3}'\n",
            "bin/jq": "#!/bin/sh\nexec python3 -c 'import json, sys; json.load(sys.stdin)'\n",
            "bin/curl": """
            #!/usr/bin/env python3
            import socket, sys
            hub = socket.socket(socket.AF_UNIX)
            hub.connect(sys.argv[2])
            hub.sendall(b"GET /v1/datasets HTTP/1.1\\r\\nHost: hub\\r\\nConnection: close\\r\\n\\r\\n")
            sys.exit(0 if hub.recv(4096).startswith(b"HTTP/1.1 200") else 22)

            """,
        ]
        for folder in ["bin", "data", "imagenet"] { mkdir("\(fixture.folder)/\(folder)", 0o755) }
        for (name, text) in files { _ = try fixture.file(name, text) }
        for number in 0..<5 { _ = try fixture.file("imagenet/\(number).jpg", "image \(number)") }
        for name in ["train.npy", "test.npy"] { _ = try fixture.file(name, npy) }
        let archive = "import sys, zipfile; zipfile.ZipFile(sys.argv[1], 'w').write(sys.argv[2], 'x.npy')"
        _ = try await runPython(archive, ["\(fixture.folder)/mnist.npz", "\(fixture.folder)/train.npy"])
        for name in files.keys where name.hasPrefix("bin/") || name == "sweep.sh" {
            chmod("\(fixture.folder)/\(name)", 0o755)
        }
    }

    /// An array of two float32.
    private static var npy: [UInt8] {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
        let text = header + String(repeating: " ", count: 128 - 10 - header.utf8.count - 1) + "\n"
        return [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(text.utf8) + [UInt8](repeating: 0, count: 8)
    }

    /// What the examples are about: tasks in each state, their logs, data sets and models with versions and a stage.
    func seed(_ fixture: CommandFixture) async throws {
        // One of them writes it.
        _ = try fixture.file("train.py", Self.script)
        try await Self.seedTasks(fixture)
        // Each is a new version.
        if ["dataset", "model", "prune"].contains(where: { command.contains($0) }) {
            try await Self.seedContents(fixture)
        }
    }

    private static func seedTasks(_ fixture: CommandFixture) async throws {
        let id = try #require(ObjectID(task))
        let script = BSONValue.binary(BSONBinary(bytes: Array(script.utf8)))
        let waiting: BSONDocument = [
            "v": 1, "ready": false, "priority": 0, "attempt": 0, "max_failures": 1, "interpreter": "python3",
            "not_before": .dateTime(BSONDateTime(millisecondsSince1970: 4_000_000_000_000)),
        ]
        let account = BSONValue.string(CurrentUser.name ?? "")
        var held = waiting
        held["hold"] = true
        _ = try await fixture.tasks.deleteMany([:])
        try await fixture.store(
            [
                "_id": .objectID(id), "task_name": "mnist", "script": script, "hyper_parameters": ["lr": 0.2],
                "result": ["test_accuracy": 0.9, "loss": 0.4],
                "hub": ["v": 1, "number": 412, "attempt": 1, "priority": 0],
            ],
            ["task_name": "mnist", "status": "pending", "hub": .document(waiting), "script": script],
            ["task_name": "mnist", "status": "pending", "hub": .document(held), "script": script],
            [
                "task_name": "mnist", "status": "failed", "script": script, "hyper_parameters": ["lr": 0.001],
                "result": ["accuracy": 0.95], "description": "a baseline", "time": .dateTime(.now),
            ],
            [
                "status": "failed", "script": script,
                "hub": ["v": 1, "number": 413, "submit": 413, "account": account, "interpreter": "python3"],
            ],
            ["status": "cancelled", "script": script]
        )
        let entry: BSONDocument = ["loss": 0.3, "val_loss": 0.4, "accuracy": 0.9, "step": 1, "epoch": 1]
        for kind in LogKind.allCases {
            _ = try await fixture.hub.saveLogs(kind, [entry, entry], origin: AttemptID(task: id, number: 1))
        }
    }

    private static func seedContents(_ fixture: CommandFixture) async throws {
        for number in 0..<3 {
            let content = Content.bytes([UInt8(number)], as: "mnist.npz")
            _ = try await fixture.hub.saveDataSet(content, name: "mnist")
            _ = try await fixture.hub.saveModel(
                .bytes([UInt8(number)], as: "mlp.safetensors"),
                name: "mlp",
                architecture: ["layers": 2],
                tags: ["test_accuracy": 0.95]
            )
        }
        for stage in ["production", "candidate"] {
            _ = try await fixture.hub.setStage(stage, of: ContentQuery(name: "mlp"))
        }
    }
}
