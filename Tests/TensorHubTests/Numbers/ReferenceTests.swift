import BSON
import MongoDriver
import TestSupport
import Testing

@testable import TensorHub

/// What people call tasks by.
@Suite struct ReferenceTests {
    @Test func `A reference is read from its text`() throws {
        let id = "65f0c0ffee0123456789abcd"
        let cases: [(String, TaskReference)] = [
            ("412", .numbers(412...412)), ("410..420", .numbers(410...420)), ("7..7", .numbers(7...7)),
            ("@last", .latest(back: 0)), ("@last~3", .latest(back: 3)), ("@last-failed", .latestFailed),
        ]
        for (text, expected) in cases {
            #expect(try TaskReference(text) == expected)
            #expect(try TaskReference(expected.description) == expected)
        }
        // Twenty-four digits are an id, whatever they look like.
        for text in [id, "123456789012345678901234"] {
            let known = try #require(ObjectID(text))
            #expect(try TaskReference(text) == .id(known))
        }
    }

    @Test(
        arguments: [
            ("", "'' is no task"), ("x", "'x' is no task"), ("-5", "is no task"), ("4 12", "is no task"),
            ("1234567890123456789", "is no task"), ("0", "from 1 to"), ("0..3", "from 1 to"),
            ("420..410", "write 410..420"), ("1..100001", "100000 is the limit"), ("4..", "is no task"),
            ("..4", "is no task"), ("4...5", "is no task"), ("@first", "@last are the tasks"),
            ("@last~", "@last are"), ("@last~-1", "@last are"), ("@last~x", "@last are"), ("+5", "is no task"),
        ]
    )
    func `Anything else is told what there is`(_ text: String, _ words: String) throws {
        let error = #expect(throws: HubError.self) { try TaskReference(text) }
        #expect(error?.code == .invalidInput && error?.field == "id")
        #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    }

    @Test func `Numbers, ranges and ids are one selection, and what is not there is told`() async throws {
        try await withTestHub(project: "mine") { hub in
            let made = try await hub.submitTasks((0..<5).map { _ in TaskSpec(script: "pass") })
            let uri = try await TestMongo.uri(database: hub.database.name)
            try await Hub.withHub(uri: uri, project: "theirs") { other in
                _ = try await other.createTask(TaskSpec(script: "pass"))
            }
            func ids(_ texts: String...) async throws -> [ObjectID] {
                try await hub.tasks(meant: texts.map { try TaskReference($0) }).selection.ids
            }
            #expect(try await ids("2", "4..9", "\(made[0].id)") == [0, 1, 3, 4].map { made[$0].id })
            _ = try await hub.deleteTasks(.ids([made[2].id]))
            // Gaps are no error.
            #expect(try await ids("2..4") == [1, 3].map { made[$0].id })
            for (text, words) in [
                ("3", "there is no task 3 in project 'mine'"), ("8..9", "there are no tasks 8..9 in project 'mine'"),
                ("6", "task 6 is of project 'theirs', not of 'mine'"), ("6..9", "tasks 6..9 are of project 'theirs'"),
            ] {
                let error = await #expect(throws: HubError.self) { try await ids(text) }
                #expect(error?.code == .notFound && error?.message.contains(words) == true, "\(error?.message ?? "")")
            }
            #expect(try await hub.task(number: 2).id == made[1].id)
            // A number is never given again.
            #expect(try await hub.submitTasks([TaskSpec(script: "pass")]).compactMap(\.number)[0] > 6)
        }
    }

    @Test func `The latest submits are those of an account in a project`() async throws {
        try await withTestHub { hub in
            let specs = { (count: Int) in Array(repeating: TaskSpec(script: "pass"), count: count) }
            let first = try await hub.createTasks(specs(2), by: "ann")
            _ = try await hub.createTasks(specs(3), by: "bob")
            let second = try await hub.createTasks(specs(3), by: "ann")
            let uri = try await TestMongo.uri(database: hub.database.name)
            try await Hub.withHub(uri: uri, project: "other") { other in
                _ = try await other.createTasks(specs(1), by: "ann")
            }
            func found(_ text: String, _ account: String? = "ann") async throws -> [ObjectID?] {
                let meant = try await hub.tasks(meant: [TaskReference(text)], by: account)
                return try await hub.findTasks(meant.selection).map(\.id)
            }
            #expect(try await found("@last") == second)
            #expect(try await found("@last~1") == first)
            #expect(try await found("@last", "bob").count == 3)
            #expect(try await found("@last-failed").isEmpty)
            try await hub.database.collection("Task").updateOne(
                ["_id": .objectID(second[1])],
                .document(["$set": ["status": "failed"]])
            )
            #expect(try await found("@last-failed") == [second[1]])
            let both = try await hub.tasks(meant: [.latest(back: 0), .id(first[0])], by: "ann").selection
            #expect(try await hub.countTasks(both).values.reduce(0, +) == 4)
            let one = await #expect(throws: HubError.self) { try await hub.task(meant: .latest(back: 0), by: "ann") }
            #expect(one?.message.contains("'@last' are several tasks, 6..8") == true)
            for (text, account, words) in [
                ("@last~2", "ann", "ann has only 2 submits"), ("@last", "eve", "eve has no task"),
                ("@last", nil, "this account has no name"),
            ] {
                let error = await #expect(throws: HubError.self) { try await found(text, account) }
                #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
            }
        }
    }

    @Test func `Short filters take numbers where they take ids`() async throws {
        try await withTestHub { hub in
            let made = try await hub.createTasks(Array(repeating: TaskSpec(script: "pass"), count: 4))
            for id in made.prefix(2) {
                try await hub.saveLog(.training, ["loss": 1], origin: AttemptID(task: id, number: 1))
            }
            func filter(_ text: String, _ subject: ShortFilter.Subject) async throws -> Filter {
                let filter = try ShortFilter(text)
                try filter.check(for: subject)
                return try await filter.resolved(by: hub).filter(for: subject)
            }
            let tasks = try await hub.findTasks(filter("id:1,3..4 state:pending", .tasks))
            #expect(tasks.map(\.id) == [made[0], made[2], made[3]])
            #expect(try await hub.logs(.training, filter("task:2..4", .logs)).count == 1)
            #expect(try await hub.find(ShortFilter("id:2")).found.count == 1)
            #expect(try await hub.findTasks(filter("id:\(made[1])", .tasks)).count == 1)
            for text in ["id:5", "id:x", "id:@last", "id:2..1"] {
                await #expect(throws: HubError.self, "\(text)") { try await filter(text, .tasks) }
            }
            #expect(throws: HubError.self) { try Filter(short: "task:2", for: .logs) }
        }
    }

    @Test func `A task of an older version has its id alone`() async throws {
        try await withTestHub { hub in
            let id = ObjectID()
            try await hub.insertForeignTask([
                "_id": .objectID(id), "project_name": .string(hub.project), "status": "pending",
                "script": .binary(BSONBinary(bytes: [35])), "time": .dateTime(.now),
                "hub": ["v": 1, "ready": true, "priority": 0, "attempt": 0],
            ])
            #expect(try await hub.session().adoptAndPromote() == 0)
            let task = try await hub.task(id)
            #expect(task.number == nil && task.submit == nil && task.label == "\(id)")
            #expect(try await hub.tasks(meant: [.id(id)]).selection.ids == [id])
            #expect(try await hub.session().claim(1).tasks.first?.id == id)
        }
    }
}
