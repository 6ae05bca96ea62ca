import BSON
import LocalMongo
import MongoDriver
import TestSupport
import Testing

@testable import TensorHub

/// Documents with a key twice, which end MongoDB 6.0 when an update pipeline changes that key. Each test has a server
/// of its own, since it may die.
@Suite(.timeLimit(.minutes(30))) struct RepeatedKeyTests {
    private func withOwnServer(_ body: (_ hub: Hub, _ server: LocalMongoServer) async throws -> Void) async throws {
        try await withTemporaryDirectory { folder in
            let server = try await LocalMongoServer.start(dataDirectory: folder)
            let result: Result<Void, any Error>
            do {
                let uri = server.uri.replacing("/?", with: "/odd?")
                result = .success(try await Hub.withHub(uri: uri) { try await body($0, server) })
            } catch {
                result = .failure(error)
            }
            await server.kill()
            try result.get()
        }
    }

    /// A task as another program might write it, every key once.
    private static func elements(_ hub: BSONDocument?, project: String) -> [(String, BSONValue)] {
        [
            ("_id", .objectID(ObjectID())), ("project_name", .string(project)),
            ("time", .dateTime(BSONDateTime(millisecondsSince1970: 1))), ("hyper_parameters", [:]),
            ("saved_result_keys", []), ("status", "pending"),
            ("script", .binary(BSONBinary(bytes: Array("pass".utf8)))), ("result", [:]),
        ] + (hub.map { [("hub", .document($0))] } ?? [])
    }

    private static let fields: [(String, BSONValue)] = [
        ("v", 1), ("ready", true), ("priority", 9), ("attempt", 0), ("history", []), ("started", 1),
        ("ended", 1), ("progress", [:]), ("max_failures", 3),
    ]

    private static func poisoned(_ hub: Hub, isReady: Bool) -> [(key: String, document: BSONDocument)] {
        let sound: BSONDocument? = isReady ? BSONDocument(elements: fields) : nil
        var cases: [(String, BSONDocument)] = []
        for (key, value) in elements(sound, project: hub.project) where key != "_id" {
            for second in key == "status" ? [value, "failed"] : [value] {
                cases.append(
                    (key, BSONDocument(elements: elements(sound, project: hub.project) + [(key, second)]))
                )
            }
        }
        for (key, value) in fields where isReady || key != "ready" {
            let own = (isReady ? fields : fields.filter { $0.0 != "ready" }) + [(key, value)]
            cases.append(
                ("hub.\(key)", BSONDocument(elements: elements(BSONDocument(elements: own), project: hub.project)))
            )
        }
        if !isReady {
            let twice = BSONDocument(elements: [("a", 1), ("a", 2)])
            for key in ["error", "lease", "cancel"] {
                let own = BSONDocument(elements: [(key, .document(twice))])
                cases.append(("hub.\(key).a", BSONDocument(elements: elements(own, project: hub.project))))
            }
            var result = elements(nil, project: hub.project)
            result[result.count - 1].1 = .document(twice)
            cases.append(("result.a", BSONDocument(elements: result)))
        }
        return cases
    }

    private func claim(_ hub: Hub, _ count: Int) async throws -> [TaskRecord] {
        try await hub.session(name: "h").claim(count).tasks
    }

    @Test(arguments: [true, false], [1, 4])
    func `A task with a key twice is put aside with its name, and the queue goes on`(
        isReady: Bool,
        count: Int
    ) async throws {
        try await withOwnServer { hub, server in
            let poisoned = Self.poisoned(hub, isReady: isReady)
            for (index, one) in poisoned.enumerated() {
                try await hub.insertForeignTask(one.document)
                // Good ones in between.
                if index % 4 == 0 { _ = try await hub.createTask(TaskSpec(script: "pass")) }
            }
            let good = Set(try await hub.findTasks("hub.max_failures" == 3 && "hub.priority" == 0).compactMap(\.id))
            _ = try await hub.session().adoptAndPromote()
            var claimed: Set<ObjectID> = []
            while true {
                let tasks = try await claim(hub, count)
                if tasks.isEmpty { break }
                claimed.formUnion(tasks.compactMap(\.id))
            }
            #expect(claimed == good)
            #expect(server.isRunning)
            for (key, document) in poisoned {
                let id = try #require(document["_id"]?.objectIDValue)
                let task = try await hub.task(id)
                #expect(task.status == .failed, "\(key)")
                #expect(task.error?.kind == "cannot-run" || key == "hub", "\(key): \(task.document)")
                #expect(task.error?.message.contains("'\(key)' twice") == true, "\(key): \(task.error?.message ?? "")")
            }
        }
    }

    @Test func `Whatever a person does to a task with a key twice, MongoDB lives and the others are changed`()
        async throws
    {
        try await withOwnServer { hub, server in
            func twice(_ status: String) throws -> BSONDocument {
                var elements = Self.elements(BSONDocument(elements: Self.fields), project: hub.project)
                elements[5].1 = .string(status)
                return BSONDocument(elements: elements + [("status", .string(status)), ("hub", [:])])
            }
            func insert(_ status: String) async throws -> ObjectID {
                let document = try twice(status)
                try await hub.insertForeignTask(document)
                return try #require(document["_id"]?.objectIDValue)
            }
            let good = try await hub.createTasks(Array(repeating: TaskSpec(script: "pass"), count: 5))
            let held = try await insert("pending")
            #expect(try await hub.holdTasks(.all) == 6)
            #expect(try await hub.task(held).status == .failed)
            #expect(try await hub.releaseTasks(.all) == 5)
            let cancelled = try await insert("pending")
            let running = try await insert("running")
            #expect(try await hub.cancelTasks(.all) == 7)
            for id in [cancelled, running] { #expect(try await hub.task(id).status == .cancelled) }
            #expect(try await hub.retryTasks(.all) == 5)
            #expect(try await hub.task(held).status == .failed)
            #expect(try await hub.task(good[0]).status == .pending)
            #expect(try await hub.deleteTasks(.ids([held, cancelled, running])) == 3)
            #expect(server.isRunning)
        }
    }

    @Test func `A task that gets a key twice while it runs ends, and its neighbours are renewed`() async throws {
        try await withOwnServer { hub, server in
            _ = try await hub.createTasks(Array(repeating: TaskSpec(script: "pass"), count: 3))
            let runner = ObjectID()
            let session = hub.session(runner, name: "h")
            let tasks = try await session.claim(3).tasks
            let ids = tasks.compactMap(\.id)
            let rewritten = BSONDocument(elements: tasks[0].document.map { ($0.key, $0.value) } + [("hub", [:])])
            let collection = hub.database.collection("Task")
            try await collection.replaceOne(["_id": .objectID(ids[0])], rewritten)
            let renewal = try await hub.session(runner, lease: .seconds(90)).renew(Set(tasks.compactMap(\.attemptID)))
            #expect(renewal.lost == [AttemptID(task: ids[0], number: 1)])
            #expect(try await hub.task(ids[0]).status == .failed)
            #expect(server.isRunning)
        }
    }

    @Test func `The task of a lost runner that has a key twice fails, and the others are rescued`() async throws {
        try await withOwnServer { hub, server in
            _ = try await hub.createTasks(Array(repeating: TaskSpec(script: "pass"), count: 3))
            let session = hub.session(name: "h", lease: .milliseconds(1))
            let tasks = try await session.claim(3).tasks
            let before = tasks[0].document.map { ($0.key, $0.value) }
            let rewritten = BSONDocument(elements: before + [("status", "running")])
            try await hub.database.collection("Task").replaceOne(["_id": tasks[0].document["_id"] ?? .null], rewritten)
            #expect(try await eventually { try await hub.session().expiredLeases().count == 3 })
            _ = try await hub.session().rescue()
            #expect(try await hub.countTasks() == [.failed: 1, .pending: 2])
            #expect(server.isRunning)
        }
    }

    @Test func `A batch that comes upon a key twice keeps what it has claimed before`() async throws {
        try await withOwnServer { hub, server in
            var first = TaskSpec(script: "pass")
            first.priority = 10
            let good = Set(try await hub.createTasks(Array(repeating: first, count: 3)))
            for (_, document) in Self.poisoned(hub, isReady: true).prefix(3) {
                try await hub.insertForeignTask(document)
            }
            #expect(Set(try await claim(hub, 6).compactMap(\.id)) == good)
            #expect(try await hub.countTasks() == [.running: 3, .failed: 3])
            #expect(server.isRunning)
        }
    }

    @Test func `A task with a key twice in which the reason finds no place fails, and the others are adopted`()
        async throws
    {
        try await withOwnServer { hub, server in
            let odd = BSONDocument(
                elements: Self.elements(nil, project: hub.project) + [("hub", .int32(1)), ("hub", .int32(2))]
            )
            try await hub.insertForeignTask(odd)
            try await hub.insertForeignTask(BSONDocument(elements: Self.elements(nil, project: hub.project)))
            _ = try await hub.session().adoptAndPromote()
            #expect(try await hub.countTasks() == [.failed: 1, .pending: 1])
            #expect(try await claim(hub, 4).count == 1)
            #expect(server.isRunning)
        }
    }

    @Test func `Another runner's task with a key twice is left to it, and the others without a lease are rescued`()
        async throws
    {
        try await withOwnServer { hub, server in
            func running(_ more: [(String, BSONValue)]) -> BSONDocument {
                var elements = Self.elements(nil, project: hub.project)
                elements[5].1 = "running"
                return BSONDocument(elements: elements + more)
            }
            try await hub.insertForeignTask(running([("status", "running")]))
            try await hub.insertForeignTask(running([]))
            #expect(try await hub.session().rescueUnleased(after: .zero) == 0)
            #expect(try await eventually { try await hub.session().rescueUnleased(after: .zero) == 1 })
            #expect(try await hub.countTasks() == [.running: 1, .pending: 1])
            #expect(server.isRunning)
        }
    }

    @Test func `Signs of life, requests and stages survive a key twice in their documents`() async throws {
        try await withOwnServer { hub, server in
            let gpu1 = MadeUpRunner(hub, "gpu1")
            try await gpu1.tell()
            let runners = hub.database.collection("Runner")
            let stored = try #require(try await runners.findOne())
            let twice = BSONDocument(elements: stored.map { ($0.key, $0.value) } + [("state", "x"), ("heartbeat", 1)])
            try await runners.replaceOne(["_id": .objectID(gpu1.id)], twice)
            #expect(try await hub.pauseRunners(.all) == 0)
            #expect(try await gpu1.tell()?.document.repeatedKey == nil)
            #expect(try await hub.pauseRunners(.all) == 1)
            #expect(server.isRunning)
        }
    }

    @Test func `Hyper-parameters with a key twice are refused`() throws {
        var spec = TaskSpec(script: "pass")
        spec.hyperParameters = BSONDocument(elements: [("lr", 1), ("lr", 2)])
        #expect { try spec.validate() } throws: { "\($0)".contains("'lr' is in hyper_parameters twice") }
    }

    @Test func `What repeats a key is told from what does not by bytes`() {
        let composed = BSONDocument(elements: [("\u{e9}", 1), ("e\u{301}", 2)])
        #expect(composed.repeatedKey == nil)
        #expect(composed.withoutRepeatedKeys == composed)
        let inner = BSONDocument(elements: [("b", 1), ("b", 2)])
        let nested: BSONDocument = ["a": .array([["x": 1], .document(inner)])]
        #expect(nested.repeatedKey == nil)
        #expect(nested.withoutRepeatedKeys == ["a": [["x": 1], ["b": 2]]])
        #expect(BSONDocument(elements: [("a", 1), ("b", 2), ("a", 3)]).withoutRepeatedKeys == ["a": 3, "b": 2])
    }
}
