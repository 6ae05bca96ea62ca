import BSON
import MongoDriver
import TestSupport
import Testing

@testable import TensorHub

/// Tasks that a runner of version 1 must leave alone, because it would run them without what they ask for.
@Suite struct SecondVersionTests {
    private func spec(_ set: (inout TaskSpec) -> Void = { _ in }) -> TaskSpec {
        var spec = TaskSpec(script: "pass")
        spec.arguments = ["--fast"]
        set(&spec)
        return spec
    }

    private func mark(_ hub: Hub, _ id: ObjectID) async throws -> BSONValue? {
        try await hub.task(id).document.value(atPath: "hub.ready")
    }

    @Test func `Each option that version 1 does not know marks its task, and no other does`() throws {
        var plain = TaskOptions()
        plain.priority = 3
        plain.timeout = .seconds(1)
        #expect(plain.version == 1)
        let second: [(inout TaskOptions) -> Void] = [
            { $0.arguments = ["a"] }, { $0.command = ["a"] }, { $0.parameterArguments = .hyphens },
            { $0.workingDirectory = "/tmp" }, { $0.python = "python3" }, { $0.variables = ["A": "b"] },
        ]
        for set in second {
            var options = plain
            set(&options)
            #expect(options.version == 2)
        }
    }

    @Test func `It is marked through every state: held, released, waiting, failed, lost and retried`() async throws {
        try await withTestHub { hub in
            let session = hub.session()
            let past = BSONDateTime(millisecondsSince1970: 1)
            let held = try await hub.createTask(spec { $0.hold = true })
            let waiting = try await hub.createTask(spec { $0.notBefore = past })
            #expect(try await mark(hub, held) == .double(2.5))
            #expect(try await mark(hub, waiting) == .double(2.5))
            #expect(try await session.claim(9).tasks.isEmpty)
            _ = try await session.adoptAndPromote()
            #expect(try await mark(hub, waiting) == 2)
            _ = try await hub.releaseTasks(.ids([held]))
            #expect(try await mark(hub, held) == 2)
            _ = try await hub.holdTasks(.ids([held]))
            #expect(try await mark(hub, held) == .double(2.5))
            #expect(try await session.claim(9).tasks.compactMap(\.id) == [waiting])
            let failure = TaskFailure(kind: "exit-status", message: "no")
            let id = AttemptID(task: waiting, number: 1)
            let retry = AttemptEnd(id, transition: .retry(failure, delay: .seconds(600)), cause: "exit-status")
            #expect(try await session.deliver([retry]) == [.accepted])
            #expect(try await mark(hub, waiting) == .double(2.5))
            #expect(
                try await hub.task(waiting).obstacles(now: .now).first.map { "\($0)" }?.contains("backingOff") == true
            )
            _ = try await hub.cancelTasks(.ids([waiting]))
            _ = try await hub.retryTasks(.ids([waiting]))
            #expect(try await mark(hub, waiting) == 2)
            #expect(try await session.claim(9).tasks.compactMap(\.id) == [waiting])
            let lost = AttemptEnd(AttemptID(task: waiting, number: 2), transition: .lost(failure), cause: "runner-lost")
            #expect(try await session.deliver([lost]) == [.accepted])
            #expect(try await mark(hub, waiting) == 2)
        }
    }

    @Test func `A runner of version 1 sees none of it, and takes its own`() async throws {
        try await withTestHub { hub in
            for set: (inout TaskSpec) -> Void in [{ _ in }, { $0.hold = true }, { $0.notBefore = .now }] {
                _ = try await hub.createTask(spec(set))
            }
            let own = try await hub.createTask(TaskSpec(script: "pass"))
            // What version 1 asks with.
            let former: BSONDocument = [
                "project_name": .string(hub.project), "status": "pending", "hub.ready": ["$in": [true, false]],
                "hub.v": ["$not": ["$gt": 1]],
            ]
            let found = try await hub.database.collection("Task").findAll(former, FindOptions(projection: ["_id": 1]))
            #expect(found.map { $0["_id"] } == [.objectID(own)])
        }
    }

    @Test func `What another program wrote for version 2 is adopted as that`() async throws {
        try await withTestHub { hub in
            var document = AdoptTests.original
            document.append("hub", ["v": 2, "args": ["--fast"]])
            try await hub.insertForeignTask(document)
            #expect(try await hub.session().adoptAndPromote() == 1)
            let task = try #require(try await hub.session().claim(1).tasks.first)
            #expect(task.document.value(atPath: "hub.v") == 2 && task.arguments == ["--fast"])
        }
    }
}
