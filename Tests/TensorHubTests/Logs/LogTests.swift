import BSON
import MongoDriver
import TestSupport
import Testing

@testable import TensorHub

@Suite struct LogTests {
    @Test func `An entry has the original's fields in the original's order, and ours behind them`() async throws {
        try await withTestHub { hub in
            let task = ObjectID()
            let before = try await hub.serverTime()
            let plain = try await hub.saveLog(.training, ["loss": 0.5, "step": 4])
            let ours = try await hub.saveLog(
                .training,
                ["loss": 0.25],
                origin: AttemptID(task: task, number: 2)
            )
            let stored = try await hub.database.collection("TrainLog").findAll([:], FindOptions(sort: ["_id": 1]))
            #expect(
                stored.map(\.keys) == [
                    ["_id", "loss", "step", "project_name", "time"], ["_id", "loss", "project_name", "time", "hub"],
                ]
            )
            #expect(stored.map { $0["_id"]?.objectIDValue } == [plain, ours])
            #expect(stored[0]["project_name"] == "default")
            #expect(try #require(stored[0]["time"]?.dateTimeValue) >= before)
            #expect(stored[1]["hub"] == ["task": .objectID(task), "attempt": .int32(2)])

            let entries = try await hub.logs(.training)
            #expect(entries[0].values == ["loss": 0.5, "step": 4])
            #expect(entries[0].origin == nil)
            #expect(entries[1].origin == AttemptID(task: task, number: 2))
        }
    }

    @Test func `The three kinds go to the original's three collections`() async throws {
        try await withTestHub { hub in
            for kind in LogKind.allCases { try await hub.saveLog(kind, ["kind": .string(kind.rawValue)]) }
            for (kind, name) in zip(LogKind.allCases, ["TrainLog", "ValidLog", "TestLog"]) {
                let stored = try await hub.database.collection(name).findAll()
                #expect(stored.map { $0["kind"] } == [.string(kind.rawValue)])
            }
        }
    }

    @Test func `Entries that the majority does not have yet are not saved, however often they are sent`() async throws {
        try await withFailingHub { hub, failing in
            let documents: [BSONDocument] = (0..<2).map { _ in
                ["_id": .objectID(ObjectID()), "project_name": "default", "time": .dateTime(.distantPast)]
            }
            let fault: BSONDocument = ["code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting timed out"]
            try await hub.insertLogs(.training, [documents[0]])
            try await failing(["failCommands": ["insert"], "writeConcernError": .document(fault)], nil) {
                // The second time all are there.
                for _ in 1...2 {
                    let error = await #expect(throws: HubError.self) {
                        try await hub.insertLogs(.training, documents)
                    }
                    #expect(error?.isTransient == true)
                }
            }
            try await hub.insertLogs(.training, documents)
            #expect(try await hub.countLogs(.training) == 2)
        }
    }

    @Test func `A reader refuses an order by what no entry has, as the others do`() async throws {
        try await withTestHub { hub in
            try await hub.saveLog(.training, ["step": 1])
            let sort = try Sort("stepp:1")
            let error = await #expect(throws: HubError.self) { try await hub.logReader(.training, sort: sort) }
            #expect(error?.suggestions == ["step"])
        }
    }

    @Test func `A batch is read back in its order`() async throws {
        try await withTestHub { hub in
            try await hub.saveLogs(.training, (0..<5000).map { ["n": .int32(Int32($0))] })
            try await hub.saveLogs(.training, (5000..<6000).map { ["n": .int32(Int32($0))] })
            #expect(try await hub.logs(.training).map { $0.document["n"]?.intValue } == Array(0..<6000))
            let newest = try await hub.logs(.training, sort: .newest, limit: 3, skip: 1)
            #expect(newest.map { $0.document["n"]?.intValue } == [5998, 5997, 5996])
        }
    }

    @Test func `Identifiers of a batch ascend even where their counter wraps around`() throws {
        let made = try ["6562a0e0aaaaaaaaaafffffe", "6562a0e0aaaaaaaaaaffffff", "6562a0e0aaaaaaaaaa000000"].map {
            try #require(ObjectID($0))
        }
        var rest = made[...]
        let ids = Hub.ascendingIDs(3) { rest.removeFirst() }
        #expect(ids == [made[2], made[0], made[1]])
    }

    @Test func `Entries written again under their identifiers are there once`() async throws {
        try await withTestHub { hub in
            let ids = (0..<3).map { _ in ObjectID() }
            let entries = ids.map { BSONDocument(elements: [("_id", .objectID($0)), ("loss", 1)]) }
            try await hub.saveLogs(.validation, [entries[0], entries[1]])
            #expect(try await hub.saveLogs(.validation, entries) == ids)
            #expect(try await hub.logs(.validation).map(\.id) == ids)
            #expect(try await hub.countLogs(.validation) == 3)
        }
    }

    @Test func `NaN and the infinities are kept`() async throws {
        try await withTestHub { hub in
            try await hub.saveLog(.training, ["a": .double(.nan), "b": .double(.infinity), "c": .double(-.infinity)])
            let entry = try #require(try await hub.logs(.training).first)
            #expect(entry.document["a"]?.doubleValue?.isNaN == true)
            #expect(entry.document["b"] == .double(.infinity))
            #expect(entry.document["c"] == .double(-.infinity))
        }
    }

    static let nested = (0..<100).reduce(BSONValue.int32(1)) { inner, _ in .document(["a": inner]) }

    @Test(
        arguments: [
            (["project_name": "x"], "log.project_name"), (["time": 3], "log.time"), (["hub": [:]], "log.hub"),
            (["_id": 7], "log._id"), (["$loss": 1], "log.$loss"), (["a.b": 1], "log.a.b"), (["": 1], "log"),
            (["a": ["$b": 1]], "log.a.$b"), (["deep": nested], "log"),
        ] as [(BSONDocument, String)]
    ) func `A value that cannot be stored is refused by name, and nothing is written`(
        _ values: BSONDocument,
        _ field: String
    ) async throws {
        try await withTestHub { hub in
            let error = await #expect(throws: HubError.self) {
                try await hub.saveLogs(.training, [["loss": 1], values])
            }
            #expect(error?.code == .invalidInput)
            #expect(error?.field == field)
            #expect(error?.message.starts(with: "log entry 2: ") == true)
            let count = try await hub.countLogs(.training)
            #expect(count == 0)
        }
    }

    @Test func `Entries are found by task, by value and by project, and deleted by match`() async throws {
        try await withTestDatabase { _, name in
            let uri = try await TestMongo.uri(database: name)
            try await Hub.withHub(uri: uri, project: "other") { _ = try await $0.saveLog(.training, ["n": 0]) }
            try await Hub.withHub(uri: uri, project: "mine") { hub in
                let (one, two) = (ObjectID(), ObjectID())
                for (task, n) in [(one, 1), (two, 2), (one, 3)] {
                    try await hub.saveLog(.training, ["n": .init(smallest: n)], origin: .init(task: task, number: 1))
                }
                func numbers(_ filter: Filter, sort: Sort? = nil) async throws -> [Int?] {
                    let found = try await hub.logs(.training, filter, sort: sort)
                    return found.map { $0.document["n"]?.intValue }
                }
                #expect(try await numbers(.all) == [1, 2, 3])
                #expect(try await numbers(.tasks([one])) == [1, 3])
                #expect(try await numbers(.tasks([one, two]) && "n" > 1) == [2, 3])
                #expect(try await numbers(.tasks([])) == [])
                #expect(try await numbers("n" > 1, sort: .descending("n")) == [3, 2])
                #expect(try await hub.logFieldNames(.training) == ["n"])
                #expect(try await hub.deleteLogs(.training, .tasks([one])) == 2)
                #expect(try await numbers(.all) == [2])
                #expect(try await hub.deleteLogs(.training, .all) == 1)
            }
            try await Hub.withHub(uri: uri, project: "other") { hub in
                let count = try await hub.countLogs(.training)
                #expect(count == 1)
            }
        }
    }

    @Test func `Entries that TensorLayer wrote are read as they are`() async throws {
        try await withTestHub { hub in
            try await hub.database.collection("TestLog").insertOne([
                "accuracy": 0.9, "project_name": "default",
                "time": .dateTime(BSONDateTime(millisecondsSince1970: 1_700_000_000_000)),
            ])
            let entry = try #require(try await hub.logs(.testing, "accuracy" > 0.5).first)
            #expect(entry.values == ["accuracy": 0.9])
            #expect(entry.time == BSONDateTime(millisecondsSince1970: 1_700_000_000_000))
            #expect(entry.origin == nil)
        }
    }

    @Test(arguments: [(0, 0), (-1, 0), (1, -1)])
    func `A limit or a skip that cannot be is refused`(_ limit: Int, _ skip: Int) async throws {
        try await withTestHub { hub in
            await #expect(throws: HubError.self) { try await hub.logs(.training, limit: limit, skip: skip) }
        }
    }
}
