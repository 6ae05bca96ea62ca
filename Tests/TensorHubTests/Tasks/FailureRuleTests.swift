import BSON
import TensorHub
import TestSupport
import Testing

@Suite struct FailureRuleTests {
    @Test(
        arguments: [
            ("exit=3:fail", .exit(3), .fail), ("signal=9:elsewhere", .signal(9), .elsewhere),
            ("kind=timeout:retry", .kind("timeout"), .retry),
            ("output=CUDA error: out=1:elsewhere", .output("CUDA error: out=1"), .elsewhere),
        ] as [(String, FailureRule.Condition, FailureRule.Action)]
    )
    func `A rule is read from its text`(
        text: String,
        condition: FailureRule.Condition,
        action: FailureRule.Action
    ) throws {
        #expect(try FailureRule(parsing: text) == FailureRule(condition, action))
    }

    @Test(arguments: [
        "", "exit=3", "exit:fail", "exit=x:fail", "exit=0:fail", "exit=256:fail", "signal=65:fail", "kind=:fail",
        "output=:fail", "output=(:fail", "exit=3:explode", "mood=bad:fail",
    ])
    func `A rule that says nothing is refused by name`(text: String) {
        let error = #expect(throws: HubError.self) { try FailureRule(parsing: text) }
        #expect(error?.code == .invalidInput && error?.field == "rules")
    }

    @Test func `A rule matches what it names and nothing else`() throws {
        let failure = TaskFailure(kind: "exit-status", message: "", tail: "line\nRuntimeError: CUDA error 700\n")
        func matches(_ text: String) throws -> Bool {
            try FailureRule(parsing: text).matches(failure, exit: 3, signal: nil)
        }
        #expect(try matches("exit=3:fail"))
        #expect(try !matches("exit=4:fail"))
        #expect(try !matches("signal=9:fail"))
        #expect(try matches("kind=exit-status:fail"))
        #expect(try matches("output=^RuntimeError: .* [0-9]+$:fail"))
        #expect(try !matches("output=^CUDA:fail"))
    }

    @Test func `Limits and rules come back from the database as they were`() async throws {
        try await withTestHub { hub in
            var spec = TaskSpec(script: "pass")
            spec.rules = [try FailureRule(parsing: "exit=3:fail"), try FailureRule(parsing: "output=boom:elsewhere")]
            spec.backoff = .seconds(2)
            spec.stall = .seconds(60)
            spec.deadline = BSONDateTime(millisecondsSince1970: 4_000_000_000_000)
            let id = try await hub.createTask(spec)
            let task = try await hub.task(id)
            #expect(task.rules == spec.rules)
            #expect(task.backoff == .seconds(2) && task.stall == .seconds(60) && task.deadline == spec.deadline)
        }
    }
}
