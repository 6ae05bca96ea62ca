import BSON
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

/// What follows for a task where its script fails everywhere, or its machine lacks something.
@Suite(.timeLimit(.minutes(30))) struct ElsewhereTests {
    private func python(_ script: String, rules: [FailureRule] = [], failures: Int32 = 3) -> TaskSpec {
        var spec = TaskSpec(script: "#!/usr/bin/env python3\n\(script)\n")
        (spec.rules, spec.maxFailures, spec.backoff) = (rules, failures, .zero)
        return spec
    }

    private func ended(_ hub: Hub, _ spec: TaskSpec) async throws -> TaskRecord {
        let id = try await hub.createTask(spec)
        try await hub.waitForTasks(.ids([id]))
        return try await hub.task(id)
    }

    @Test func `A script's own error fails its task at once, unless a rule says otherwise`() async throws {
        try await withTestHub { hub in
            try await withRunner(hub) { _ in
                let plain = try await ended(hub, python("print(nothing)"))
                #expect(plain.status == .failed && plain.attempt == 1 && plain.error?.kind == "script-error")
                #expect(plain.error?.tail?.contains("NameError") == true && plain.history.last?.cause == "script-error")
                let rule = FailureRule(.kind("script-error"), .retry)
                let ruled = try await ended(hub, python("x = =", rules: [rule], failures: 2))
                #expect(ruled.status == .failed && ruled.attempt == 2)
                let lacking = try await ended(
                    hub,
                    python("import nowhere", rules: [FailureRule(.kind("machine-lacks"), .retry)], failures: 2)
                )
                #expect(lacking.attempt == 2 && lacking.failures == 2 && lacking.lacks.isEmpty)
            }
        }
    }

    @Test func `Several runners of one machine count as one`() async throws {
        try await withTestHub { hub in
            try await withRunner(hub, { ($0.name, $0.host) = ("a-1", "a") }) { _ in
                try await withRunner(hub, { ($0.name, $0.host) = ("a-2", "a") }) { _ in
                    #expect(try await eventually { try await hub.findRunners().count == 2 })
                    let task = try await ended(hub, python("import nowhere"))
                    #expect(task.status == .failed && task.attempt == 1, "\(task.document)")
                    let words = "a has no module nowhere, and no runner of another machine takes the task now"
                    #expect(task.error?.message == words)
                }
            }
        }
    }

    @Test func `A task of another program goes elsewhere too, and a retry by hand forgets what was missing`()
        async throws
    {
        try await withTestHub { hub in
            try await withRunner(hub, { ($0.name, $0.host) = ("a", "a") }) { _ in
                try await withRunner(hub, { ($0.name, $0.host) = ("b", "b") }) { _ in
                    #expect(try await eventually { try await hub.findRunners().count == 2 })
                    try await hub.insertForeignTask([
                        "project_name": .string(hub.project), "status": "pending", "result": [:],
                        "time": .dateTime(BSONDateTime(millisecondsSince1970: 1)),
                        "script": .binary(BSONBinary(bytes: Array("import nowhere\n".utf8))),
                    ])
                    try await hub.waitForTasks(.all)
                    let task = try #require(try await hub.findTasks().first)
                    #expect(Set(task.history.compactMap(\.host).map(\.bytes)) == ["a", "b"] && task.status == .failed)
                    #expect(task.failures == 1 && task.interruptions == 1 && task.lacks.count == 1)
                    _ = try await hub.retryTasks(.all)
                    try await hub.waitForTasks(.all)
                    #expect(try await hub.findTasks().first?.attempt == 4)
                }
            }
        }
    }
}
