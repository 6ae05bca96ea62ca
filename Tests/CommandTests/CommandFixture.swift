import BSON
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// A database, a folder and an environment of a test's own, in which commands run.
struct CommandFixture: Sendable {
    let hub: Hub
    let uri: String
    let folder: String
    var environment: [String: String]

    /// Collection `Task`, for documents that no command writes.
    var tasks: MongoCollection { hub.database.collection("Task") }
    var outputs: MongoCollection { hub.database.collection("TaskOutput") }

    /// Runs a command to its end.
    func run(_ arguments: String..., input: String? = nil) async throws -> ProgramResult {
        try await run("tensorhub", arguments, input: input)
    }

    func run(_ name: String, _ arguments: [String], input: String? = nil) async throws -> ProgramResult {
        let program =
            name == "tensorhubd"
            ? try Program.startDaemon(arguments, environment: environment)
            : try Program.start(name, arguments, environment: environment)
        program.send(input ?? "")
        return try await end(of: program)
    }

    func start(_ arguments: String...) throws -> Program {
        try Program.start("tensorhub", arguments, environment: environment)
    }

    func end(of program: Program) async throws -> ProgramResult {
        let isOver = await eventually(within: .seconds(60)) { program.status != nil }
        guard isOver, let status = program.status else {
            program.signal(SIGKILL)
            throw ProgramFailure(message: "it does not end; it wrote: \(program.output)\(program.errors)")
        }
        return ProgramResult(status: status, output: program.output, errors: program.errors)
    }

    /// The same, its commands known to MongoDB by a name of their own: for `withFailCommand`.
    func named(_ name: String) -> CommandFixture {
        var fixture = self
        fixture.environment["TENSORHUB_URI"] = "\(uri)\(uri.contains("?") ? "&" : "?")appName=\(name)"
        return fixture
    }

    /// Ends what the server is at for a command that was killed: what a fail point holds up does not notice.
    func endOperations(of name: String) async throws {
        let admin = hub.client.database("admin")
        let areOver = try await eventually {
            let reply = try await admin.runCommand([
                "aggregate": 1, "cursor": [:],
                "pipeline": [
                    ["$currentOp": ["allUsers": true]], ["$match": ["appName": .string(name), "active": true]],
                ],
            ])
            let found = (reply.value(atPath: "cursor.firstBatch")?.arrayValue ?? []).compactMap {
                $0.documentValue?["opid"]
            }
            for operation in found { try await admin.runCommand(["killOp": 1, "op": operation]) }
            return found.isEmpty
        }
        #expect(areOver)
    }

    /// Starts a daemon on the fixture's own state directory, as a user that is not root.
    func startDaemon(_ arguments: String...) throws -> Program { try startDaemon(arguments) }

    func startDaemon(_ arguments: [String]) throws -> Program {
        try Program.startDaemon(["--state-directory", "\(folder)/state"] + arguments, environment: environment)
    }

    /// Lends a daemon.
    func withDaemon<Value>(_ arguments: String..., body: () async throws -> Value) async throws -> Value {
        let daemon = try startDaemon(arguments)
        let result: Result<Value, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        for _ in 0..<3 { daemon.signal(SIGTERM) }
        let end = try await end(of: daemon)
        #expect(end.status == 0, "the daemon ended with \(end.status): \(end.errors)")
        return try result.get()
    }

    /// Writes a file into the folder and returns its path.
    func file(_ name: String, _ text: String) throws -> String {
        try file(name, Array(text.utf8))
    }

    func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        let path = "\(folder)/\(name)"
        guard let file = fopen(path, "w") else { throw ProgramFailure(message: path) }
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
        return path
    }

    /// Stores tasks as if a runner had ended them.
    @discardableResult
    func store(_ documents: BSONDocument...) async throws -> [ObjectID] {
        var ids: [ObjectID] = []
        for (index, extra) in documents.enumerated() {
            let id = ObjectID()
            var document: BSONDocument = [
                "_id": .objectID(id), "project_name": "test",
                "time": .dateTime(BSONDateTime(millisecondsSince1970: 1_700_000_000_000 + Int64(index))),
                "hyper_parameters": [:], "saved_result_keys": [], "status": "finished",
                "script": .binary(BSONBinary(bytes: Array("#!/bin/true\n".utf8))), "result": [:],
                "hub": ["v": 1, "ready": true, "priority": 0, "attempt": 1, "max_failures": 1],
            ]
            for (key, value) in extra { document[key] = value }
            _ = try await tasks.insertMany([document])
            ids.append(id)
        }
        return ids
    }

    /// The status of a task, as it is stored.
    func status(_ id: String) async throws -> String? {
        try await tasks.findOne(["_id": .objectID(try #require(ObjectID(id)))])?["status"]?.stringValue
    }
}

/// How many tests start programs at the same time.
private let turns = Turns(6)

/// Lends a fixture. No setting of the person who runs the tests reaches the commands.
func withCommands(_ body: (CommandFixture) async throws -> Void) async throws {
    try await turns.one { try await withCommandsAtOnce(body) }
}

private func withCommandsAtOnce(_ body: (CommandFixture) async throws -> Void) async throws {
    try await withTestHub(project: "test") { hub in
        try await withTemporaryDirectory { folder in
            // The daemon makes its state directory there, and its scripts leave files.
            try Unprivileged.give(folder)
            let uri = try await TestMongo.uri(database: hub.database.name)
            var environment = [
                "PATH": getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin", "HOME": folder,
                "TENSORHUB_URI": uri, "TENSORHUB_PROJECT": "test", "LANG": "C.UTF-8",
            ]
            if let mongod = getenv("TENSORHUB_MONGOD") { environment["TENSORHUB_MONGOD"] = String(cString: mongod) }
            try await body(CommandFixture(hub: hub, uri: uri, folder: folder, environment: environment))
        }
    }
}
