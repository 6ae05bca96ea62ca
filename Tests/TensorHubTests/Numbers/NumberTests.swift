import BSON
import MongoDriver
import TestSupport
import Testing

@testable import TensorHub

/// Each task has a number, whoever creates it and whatever becomes of the counter.
@Suite struct NumberTests {
    private func numbers(_ hub: Hub) async throws -> [Int?] {
        try await hub.findTasks(sort: .ascending("hub.number")).map(\.number)
    }

    /// A process of its own.
    private func other(_ hub: Hub) -> Hub { hub.with(patience: hub.patience) }

    @Test func `After the counter was lost nothing is numbered below what there is`() async throws {
        try await withTestHub { hub in
            _ = try await hub.createTasks((0..<5).map { _ in TaskSpec(script: "pass") })
            _ = try await hub.deleteTasks(.ids(try await hub.findTasks().prefix(3).compactMap(\.id)))
            _ = try await hub.database.collection("Counter").deleteMany([:])
            try await Hub.withHub(uri: try await TestMongo.uri(database: hub.database.name), project: hub.project) {
                let made = try await $0.submitTasks([TaskSpec(script: "pass")])
                #expect(made[0].number == 6)
            }
        }
    }

    @Test func `Blocks grow, serve for some seconds, and never go back`() {
        let numbers = TaskNumbers()
        let start = ContinuousClock.now
        var next = 1
        func create(at seconds: Int, _ count: Int = 1) -> Int {
            let now = start + .seconds(seconds)
            if let first = numbers.take(count, at: now) { return first }
            let size = numbers.block(for: count, at: now)
            defer { next += size }
            numbers.keep(next..<(next + size), using: count, at: now)
            return next
        }
        #expect((0..<10).map { _ in create(at: 0) } == Array(1...10))
        // 1, 2, 4, 8.
        #expect(next == 16)
        #expect(create(at: 6) == 16 && next == 17)
        #expect(create(at: 6) == 17 && create(at: 6) == 18 && create(at: 6, 100) == 19)
        #expect(create(at: 6) == 119)
        for _ in 0..<400 { _ = create(at: 6) }
        #expect(numbers.block(for: 1, at: start + .seconds(6)) == TaskNumbers.largestBlock)
        // One that was reserved before comes too late.
        numbers.keep(5..<9, using: 1, at: start + .seconds(6))
        #expect(create(at: 6) > 500)
    }

    @Test func `A submit asks for its numbers once, and tasks one by one hardly ever`() async throws {
        try await withTestHub { hub in
            _ = try await hub.createTask(TaskSpec(script: "pass"))
            try await hub.database.runCommand(["profile": 2])
            let many = try await hub.submitTasks(Array(repeating: TaskSpec(script: "pass"), count: 300), by: "ann")
            let counter = hub.database.collection("system.profile")
            let counted: BSONDocument = ["command.findAndModify": "Counter"]
            #expect(try await counter.countDocuments(counted) == 1)
            #expect(many.map(\.number) == Array(2...301))
            for _ in 0..<60 { _ = try await hub.createTask(TaskSpec(script: "pass")) }
            // Six, unless it takes long.
            #expect(try await counter.countDocuments(counted) < 40)
            try await hub.database.runCommand(["profile": 0])
            let task = try await hub.task(number: 17)
            #expect(task.number == 17 && task.submit == 2 && task.account == "ann" && task.label == "17")
            #expect(task.document.value(atPath: "hub.number")?.type == .int64)
            let ordered = try await hub.findTasks(sort: .oldest).compactMap(\.number)
            #expect(ordered == ordered.sorted() && ordered.count == 361)
        }
    }

    @Test func `Whoever submits at the same time, all numbers are different and those of each ascend`() async throws {
        try await withTestHub { hub in
            let all = try await withThrowingTaskGroup(of: [Int].self) { group in
                for _ in 0..<6 {
                    let one = other(hub)
                    group.addTask {
                        var mine: [Int] = []
                        for count in [1, 1, 5, 1, 1, 1, 3, 1] {
                            let specs = Array(repeating: TaskSpec(script: "pass"), count: count)
                            mine += try await one.submitTasks(specs).compactMap(\.number)
                        }
                        #expect(mine == mine.sorted() && mine.count == 14)
                        return mine
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(Set(all).count == 84 && all.allSatisfy { $0 >= 1 })
            #expect(try await numbers(hub) == all.sorted())
        }
    }

    @Test func `A submitter that dies between the counter and the tasks leaves a gap`() async throws {
        try await withFailingHub { hub, failing in
            _ = try await hub.createTask(TaskSpec(script: "pass"))
            try await failing(["failCommands": ["insert"], "errorCode": 8000], 1) {
                await #expect(throws: HubError.self) {
                    try await hub.createTasks(Array(repeating: TaskSpec(script: "pass"), count: 3))
                }
            }
            let next = try await other(hub).submitTasks([TaskSpec(script: "pass")])
            #expect(next.map(\.number) == [5])
            #expect(try await numbers(hub) == [1, 5])
        }
    }

    @Test(arguments: [nil, ["value": 2], ["value": "two"], ["value": .double(.nan)]] as [BSONDocument?])
    func `A counter that was lost, or is older than the tasks, is raised`(_ left: BSONDocument?) async throws {
        try await withTestHub { hub in
            let old = try await hub.createTasks(Array(repeating: TaskSpec(script: "pass"), count: 5))
            // Two of the numbers are free again.
            _ = try await hub.deleteTasks(.ids(Array(old[0..<2])))
            let counter = hub.database.collection("Counter")
            _ = try await counter.deleteMany([:])
            if var left {
                left["_id"] = "task"
                try await counter.insertOne(left)
            }
            let made = try await other(hub).submitTasks(Array(repeating: TaskSpec(script: "pass"), count: 6), by: "ann")
            let numbers = try await numbers(hub).compactMap(\.self)
            #expect(numbers.count == 9 && Set(numbers).count == 9)
            let mine = made.compactMap(\.number)
            #expect(mine == mine.sorted() && mine.last ?? 0 > 5)
            for task in made { #expect(try await hub.task(task.id).number == task.number) }
            // All of a submit are found by it.
            let latest = try await hub.tasks(meant: [.latest(back: 0)], by: "ann").selection
            #expect(try await hub.countTasks(latest) == [.pending: 6])
            let next = try await other(hub).submitTasks([TaskSpec(script: "pass")])
            #expect(next[0].number ?? 0 > mine.last ?? 0)
        }
    }

    @Test func `Who may not count creates tasks without numbers`() async throws {
        try await withGuardedDatabase { guarded in
            let all = ["find", "insert", "update", "remove", "createIndex", "createCollection", "listIndexes"]
            try await guarded.createUser("ann", "secret", rights: ["Task": all, "TaskOutput": all])
            try await Hub.withHub(uri: guarded.uri("ann", "secret")) { hub in
                for _ in 0..<2 {
                    let made = try await hub.submitTasks([TaskSpec(script: "pass")], by: "ann")
                    #expect(made.map(\.number) == [nil])
                    let task = try await hub.task(made[0].id)
                    #expect(task.submit == nil && task.account == "ann" && task.label == "\(made[0].id)")
                }
                // Nothing else is missing.
                #expect(try await hub.session().claim(5).tasks.count == 2)
                let error = await #expect(throws: HubError.self) {
                    try await hub.tasks(meant: [.latest(back: 0)], by: "ann")
                }
                #expect(error?.code == .notFound)
            }
            try await guarded.grant("ann", ["Counter": ["find", "insert", "update"]])
            try await Hub.withHub(uri: guarded.uri("ann", "secret")) { hub in
                let made = try await hub.submitTasks([TaskSpec(script: "pass")])
                #expect(made.map(\.number) == [1])
            }
        }
    }

    @Test func `Foreign tasks get numbers when they are adopted, by one statement for all`() async throws {
        try await withTestHub { hub in
            let first = try await hub.submitTasks([TaskSpec(script: "pass")])
            for index in 0..<12 {
                var document = AdoptTests.original
                // Adopted like any other, and called as we say.
                if index == 3 { document.append("hub", ["number": "mine"]) }
                if index == 4 { document["_id"] = "by hand" }
                document.append("index", .int32(Int32(index)))
                try await hub.insertForeignTask(document)
            }
            try await hub.database.runCommand(["profile": 2])
            #expect(try await hub.session().adoptAndPromote() == 12)
            let counted: BSONDocument = ["command.findAndModify": "Counter"]
            #expect(try await hub.database.collection("system.profile").countDocuments(counted) == 1)
            try await hub.database.runCommand(["profile": 0])
            let numbers = try await numbers(hub).compactMap(\.self)
            #expect(numbers.count == 13 && numbers.first == first[0].number && Set(numbers).count == 13)
            #expect(try await hub.session().adoptAndPromote() == 0)
            #expect(try await hub.findTasks(TaskSelection(statuses: [.failed])).map(\.number) != [nil])
        }
    }

    @Test func `Foreign tasks are adopted also where the counter was lost`() async throws {
        try await withTestHub { hub in
            _ = try await hub.createTasks(Array(repeating: TaskSpec(script: "pass"), count: 3))
            try await hub.database.collection("Counter").drop()
            for _ in 0..<5 { try await hub.insertForeignTask(AdoptTests.original) }
            let one = other(hub)
            var adopted = 0
            for _ in 0..<3 { adopted += try await one.session().adoptAndPromote() }
            #expect(adopted >= 3)
            let numbers = try await numbers(hub).compactMap(\.self)
            #expect(numbers.count == 8 && Set(numbers).count == 8)
            #expect(try await hub.session().claim(20).tasks.count == 8)
        }
    }
}
