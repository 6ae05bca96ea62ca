import BSON
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// Users with few rights and odd passwords, on a MongoDB that asks for them: what is refused is told in one sentence,
/// and no password comes to light anywhere.
@Suite(.serialized, .timeLimit(.minutes(30))) struct SecretsTests {
    /// The first with letters that a composed and a decomposed form have.
    private static let passwords = ["Geh31mnis:/@%$ ?#&=\u{e9}'\"Schlu55", "Zwe1tes00@e\u{301}:%2F/Ende777"]

    private static let everything = [
        "": [
            "find", "insert", "update", "remove", "createIndex", "changeStream", "createCollection", "listIndexes",
            "listCollections", "collMod", "dropIndex",
        ]
    ]

    /// Lends commands whose own user may do everything, on the guarded server.
    private func withGuardedCommands(_ body: (CommandFixture, GuardedDatabase, Leaks) async throws -> Void) async throws
    {
        try await withGuardedDatabase { guarded in
            try await withTemporaryDirectory { folder in
                try Unprivileged.give(folder)
                try await Hub.withHub(uri: guarded.rootURI, project: "test") { hub in
                    try await guarded.createUser("ann", Self.passwords[1], rights: Self.everything)
                    let uri = guarded.uri("ann", Self.passwords[1])
                    let environment = [
                        "PATH": getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin", "HOME": folder,
                        "TENSORHUB_URI": uri, "TENSORHUB_PROJECT": "test", "LANG": "C.UTF-8",
                    ]
                    let fixture = CommandFixture(hub: hub, uri: uri, folder: folder, environment: environment)
                    try await body(fixture, guarded, Leaks(Self.passwords))
                }
            }
        }
    }

    private func end(_ program: Program, _ fixture: CommandFixture) async throws -> ProgramResult {
        for _ in 0..<3 { program.signal(SIGTERM) }
        return try await fixture.end(of: program)
    }

    @Test func `A runner that may not store output says so everywhere in one sentence, and shows no password`()
        async throws
    {
        try await withGuardedCommands { fixture, guarded, leaks in
            var rights = Self.everything
            rights[""] = rights[""]?.filter { $0 != "insert" }
            for collection in ["Task", "TrainLog", "Runner"] { rights[collection] = ["insert"] }
            try await guarded.createUser("gpu1", Self.passwords[0], rights: rights)
            var own = fixture.environment
            own["TENSORHUB_URI"] = nil
            let daemon = try Program.start(
                "tensorhubd",
                ["--state-directory", "\(fixture.folder)/state", "--uri", guarded.uri("gpu1", Self.passwords[0])],
                environment: own
            )
            let script = try fixture.file(
                "train.py",
                """
                import glob, os, time, tensorhub
                for name, value in os.environ.items():
                    print(name, value)
                # What every user of the machine sees of every process.
                for path in glob.glob("/proc/[0-9]*/cmdline"):
                    try:
                        print(open(path, "rb").read())
                    except OSError:
                        pass
                # What a process of the same user sees of the daemon, which is the supervisor's parent.
                status = open("/proc/%d/status" % os.getppid()).read()
                parent = status.split("PPid:")[1].split()[0]
                print(open("/proc/%s/environ" % parent, "rb").read())
                tensorhub.report(loss=0.5)
                """
            )
            let id = try await fixture.run("submit", script).output.trimmingLineEnd
            let sentence = "MongoDB user gpu1 may not insert into TaskOutput"
            #expect(await eventually(within: .seconds(60)) { daemon.errors.contains(sentence) }, "\(daemon.errors)")
            let isTold = try await eventually(within: .seconds(60)) {
                try await fixture.run("show", id).output.contains(sentence)
            }
            #expect(isTold)
            let isNamed = try await eventually(within: .seconds(60)) {
                try await fixture.run("why", id).output.contains(sentence)
            }
            #expect(isNamed)
            var results: [ProgramResult] = []
            for arguments in [
                ["show", id], ["show", id, "--json"], ["why", id], ["why", id, "--json"], ["ls"], ["logs", id],
                ["runner", "ls", "--json"], ["log", "ls"],
            ] {
                results.append(try await fixture.run("tensorhub", arguments))
            }
            let runner = try #require(try await fixture.hub.findRunners().first)
            let shown = try await fixture.run("runner", "show", "\(runner.id)")
            #expect(shown.output.contains("refused") && shown.output.contains(sentence), "\(shown.output)")
            leaks.checkProcesses(of: daemon.pid)
            leaks.checkFiles(fixture.folder, except: [])
            // What it waited for is granted: then everything is stored, and nothing tells of it any more.
            try await guarded.grant("gpu1", ["TaskOutput": ["insert"]])
            let wait = try await fixture.run("wait", id)
            #expect(wait.status == 0, "\(daemon.errors)")
            let logs = try await fixture.run("logs", id)
            #expect(logs.output.contains("TENSORHUB_TASK_ID \(id)"), "\(logs.output)")
            #expect(
                try await eventually { try await fixture.hub.findRunners().first?.refused == [] }
            )
            results += [shown, wait, logs, try await end(daemon, fixture)]
            for result in results { leaks.check(result, "an output") }
            leaks.checkFiles(fixture.folder, except: [])
            try await leaks.checkDocuments(guarded.database)
        }
    }

    @Test func `A runner that may not claim says why, and so does its pending task`() async throws {
        try await withGuardedCommands { fixture, guarded, leaks in
            var rights = Self.everything
            rights[""] = rights[""]?.filter { $0 != "update" && $0 != "createIndex" }
            rights["Runner"] = ["update"]
            try await guarded.createUser("gpu1", Self.passwords[0], rights: rights)
            let daemon = try Program.start(
                "tensorhubd",
                ["--state-directory", "\(fixture.folder)/state", "--name", "idle"],
                environment: fixture.environment.merging([
                    "TENSORHUB_URI": guarded.uri("gpu1", Self.passwords[0])
                ]) { $1 }
            )
            // Before somebody else makes them.
            let index = "MongoDB user gpu1 may not create an index on TaskOutput"
            #expect(await eventually(within: .seconds(60)) { daemon.errors.contains(index) }, "\(daemon.errors)")
            let id = try await fixture.run("submit", try fixture.file("x.py", "pass")).output.trimmingLineEnd
            let sentence = "MongoDB user gpu1 may not update Task"
            let isNamed = try await eventually(within: .seconds(60)) {
                try await fixture.run("why", id).output.contains(sentence)
            }
            #expect(isNamed, "\(daemon.errors)")
            let json = try await fixture.run("why", id, "--json")
            #expect(json.output.contains("\"refused\"") && json.output.contains(sentence), "\(json.output)")
            let environment = try readFile("/proc/\(daemon.pid)/environ")
            leaks.check(environment, "the daemon's first environment")
            #expect(String(decoding: environment, as: UTF8.self).contains("TENSORHUB_URI=mongodb://gpu1:***@127.0.0.1"))
            // Once for a collection.
            #expect(!daemon.errors.contains("Cannot create an index;"), "\(daemon.errors)")
            try await guarded.grant("gpu1", ["": ["update"]])
            #expect(try await fixture.run("wait", id).status == 0)

            // The same while one runs: its end cannot be stored.
            let go = "\(fixture.folder)/go"
            let script = "import os, time\nwhile not os.path.exists('\(go)'): time.sleep(0.05)"
            let late = try await fixture.run("submit", try fixture.file("late.py", script)).output.trimmingLineEnd
            #expect(try await eventually(within: .seconds(60)) { try await fixture.status(late) == "running" })
            try await guarded.revoke("gpu1", ["": ["update"]])
            _ = try fixture.file("go", "")
            let isOpen = try await eventually(within: .seconds(60)) {
                let why = try await fixture.run("why", late).output
                return why.contains("refused") && why.contains(sentence)
            }
            #expect(isOpen, "\(daemon.errors)")
            try await guarded.grant("gpu1", ["": ["update"]])
            #expect(try await fixture.run("wait", late).status == 0, "\(daemon.errors)")
            let result = try await end(daemon, fixture)
            leaks.check(result, "the daemon")
            // Not at every look at the queue, and not a second time for each statement.
            let lines = result.errors.split(separator: "\n").filter { $0.contains("takes no claims") }
            #expect(lines.count == 1, "\(result.errors)")
        }
    }

    @Test func `What a reader may not do is refused in one sentence by commands, over HTTP and in Python`() async throws
    {
        try await withGuardedCommands { fixture, guarded, leaks in
            let script = try fixture.file("x.py", "pass")
            let id = try await fixture.run("submit", script).output.trimmingLineEnd
            try await guarded.createUser("eve", Self.passwords[0], rights: ["": ["find", "listCollections"]])
            try await guarded.database.collection("Runner").insertOne([
                "project": "test", "name": "gpu1", "state": "running",
                "heartbeat": .dateTime(try await fixture.hub.serverTime()), "lease": 60,
            ])
            #expect(try await fixture.run("log", "add", "training", "loss=1").status == 0)
            var eve = fixture
            eve.environment["TENSORHUB_URI"] = guarded.uri("eve", Self.passwords[0])
            let data = try fixture.file("data.bin", "x")
            let refused: [([String], String)] = [
                (["submit", script], "insert into Task"), (["cancel", id], "update Task"),
                (["hold", id], "update Task"),
                (["log", "add", "training", "loss=1"], "insert into TrainLog"),
                (["log", "rm", "training", "--all"], "delete from TrainLog"),
                (["runner", "pause", "--all"], "update Runner"),
            ]
            for (arguments, words) in refused {
                let result = try await eve.run("tensorhub", arguments)
                leaks.check(result, "\(arguments)")
                #expect(result.errors == "tensorhub: MongoDB user eve may not \(words)\n", "\(arguments)")
                #expect(result.status == 1, "\(arguments)")
            }
            let put = try await eve.run("dataset", "put", data, "--name", "x")
            #expect(
                put.status == 1 && put.errors.contains("MongoDB user eve may not create an index on"),
                "\(put.errors)"
            )
            #expect(try await eve.run("ls").status == 0)

            let wrong = guarded.uri("eve", Self.passwords[0] + "x")
            for name in ["tensorhub", "tensorhubd"] {
                let result = try await eve.run(name, (name == "tensorhub" ? ["ls"] : []) + ["--uri=\(wrong)"])
                #expect(result.status == 1)
                #expect(
                    result.errors.contains("MongoDB does not let user eve in: Authentication failed."),
                    "\(result.errors)"
                )
                leaks.check(result, name)
            }

            eve.environment["PYTHONPATH"] = Self.pythonFolder
            eve.environment["WRONG"] = wrong
            eve.environment["TENSORHUB_EXECUTABLE"] = "\(Program.folder)/tensorhub"
            let program = """
                import os, tensorhub
                hub = tensorhub.TensorHub()
                try:
                    hub.save_training_log(loss=1)
                except tensorhub.errors.Forbidden as error:
                    assert isinstance(error, tensorhub.errors.Refused) and isinstance(error, PermissionError)
                    print(error.status, error.code, error)
                print(hub, repr(hub))
                try:
                    tensorhub.TensorHub(uri=os.environ["WRONG"])
                except tensorhub.errors.Forbidden as error:
                    print(error.code, error)
                """
            let python = try await eve.run("/usr/bin/env", ["python3", "-c", program])
            #expect(
                python.output.hasPrefix("403 forbidden MongoDB user eve may not insert into TrainLog\n"),
                "\(python.output)\(python.errors)"
            )
            let login = "forbidden MongoDB does not let user eve in: Authentication failed.\n"
            #expect(python.output.hasSuffix(login), "\(python.output)\(python.errors)")
            leaks.check(python, "Python")
            leaks.checkFiles(fixture.folder, except: [])
        }
    }

    @Test func `The process list shows no password, however it was given`() async throws {
        try await withGuardedCommands { fixture, guarded, leaks in
            var environment = fixture.environment
            environment["TENSORHUB_URI"] = nil
            let uri = fixture.uri
            for (index, flags) in [["--uri", uri], ["--uri=\(uri)"]].enumerated() {
                let socket = "\(fixture.folder)/s\(index)"
                let server = try Program.start(
                    "tensorhub",
                    ["serve", "--socket", socket] + flags,
                    environment: environment
                )
                #expect(await eventually { server.output.contains("\n") || server.status != nil }, "\(server.errors)")
                let line = try readFile("/proc/\(server.pid)/cmdline")
                leaks.check(line, "the command line")
                #expect(String(decoding: line, as: UTF8.self).contains("mongodb://ann:***@127.0.0.1"))
                server.signal(SIGTERM)
                leaks.check(try await fixture.end(of: server), "serve")
            }
            // Without a word of the connection string in front: it is repeated nowhere either.
            for arguments in [["ls", uri], ["ls", "--url", uri], ["show", uri], ["ls", "--uri-file", uri]] {
                let result = try await fixture.run("tensorhub", arguments)
                #expect(result.status == 2, "\(result.errors)")
                leaks.check(result, "\(arguments)")
            }
        }
    }

    @Test func `A daemon whose configuration everybody can read says so, and reads it again without showing it`()
        async throws
    {
        try await withGuardedCommands { fixture, guarded, leaks in
            let kept = "\(fixture.folder)/kept"
            mkdir(kept, 0o755)
            let quoted = fixture.uri.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''")
            let file = try fixture.file("kept/config.yaml", "uri: '\(quoted)'\nproject: test\n")
            chmod(file, 0o644)
            var environment = fixture.environment
            environment["TENSORHUB_URI"] = nil
            let daemon = try Program.start(
                "tensorhubd",
                ["--state-directory", "\(fixture.folder)/state", "--config", file],
                environment: environment
            )
            #expect(
                await eventually(within: .seconds(60)) { daemon.errors.contains("Runner started") },
                "\(daemon.errors)"
            )
            #expect(daemon.errors.contains("Every user of this machine can read the password"), "\(daemon.errors)")
            for text in [
                "uri: '\(quoted)\nproject: test\n", "uri: {\(fixture.uri): 1}\n", "\(fixture.uri): x\n",
                "uri: [\(fixture.uri)]\n", "uri-file: '\(quoted)'\n", "lease: '\(quoted)'\n", "uri: mongo\(quoted)\n",
            ] {
                let before = daemon.errors.utf8.count
                _ = try fixture.file("kept/config.yaml", text)
                daemon.signal(SIGHUP)
                #expect(await eventually { daemon.errors.utf8.count > before }, "\(text)")
            }
            let result = try await end(daemon, fixture)
            leaks.check(result, "the daemon")
            leaks.checkFiles(fixture.folder, except: [kept])
            try await leaks.checkDocuments(guarded.database)
        }
    }

    private static var pythonFolder: String { packageRoot + "/python" }
}
