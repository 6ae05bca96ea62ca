import Testing

@testable import TaskRunner

/// When a supervisor has not done its part, and what follows.
@Suite struct SupervisorWatchTests {
    private func limits(
        grace: Duration = .seconds(30),
        timeout: Duration? = nil,
        stall: Duration? = nil
    ) -> SupervisorLimits {
        var limits = SupervisorLimits(commandLine: Array("x\0--grace\0\(grace / .seconds(1))".utf8))
        limits.timeout = timeout
        limits.stall = stall
        return limits
    }

    /// Looks every second; the steps that are not `.nothing`, with the second of each.
    private func steps(
        _ watch: inout SupervisorWatch,
        for seconds: Int,
        _ condition: SupervisorWatch.Condition = .running,
        isOrdered: Bool = false,
        mustKill: Bool = false
    ) -> [Int: SupervisorWatch.Step] {
        var steps: [Int: SupervisorWatch.Step] = [:]
        for second in 1...seconds {
            let step = watch.look(after: .seconds(1), condition, isOrdered: isOrdered, mustKill: mustKill)
            if step != .nothing { steps[second] = step }
        }
        return steps
    }

    @Test func `A supervisor that runs is left alone`() {
        var watch = SupervisorWatch(limits())
        #expect(steps(&watch, for: 1_000_000).isEmpty)
        #expect(!watch.isPressing)
    }

    @Test func `A stopped supervisor is to go on and after a minute of that is given up`() {
        var watch = SupervisorWatch(limits())
        #expect(steps(&watch, for: 59, .stopped).values.allSatisfy { $0 == .resume })
        // Once it was seen at work, the minute begins anew.
        #expect(watch.look(after: .seconds(1), .running) == .nothing)
        let later = steps(&watch, for: 61, .stopped)
        #expect(later[60] == .resume && later[61] == .end(.supervisorStopped))
        // A debugger of a person's is no reason.
        var traced = SupervisorWatch(limits())
        #expect(steps(&traced, for: 100_000, .traced).isEmpty)
    }

    @Test(arguments: [(SupervisorWatch.Condition.running, 145), (.traced, 133)])
    func `A time limit that the supervisor does not keep is kept`(condition: SupervisorWatch.Condition, second: Int) {
        var watch = SupervisorWatch(limits(timeout: .seconds(100)))
        let found = steps(&watch, for: second + 1, condition)
        #expect(found == [second: .end(.timeout)])
        #expect(steps(&watch, for: 5, condition).keys.min() == 1)
        #expect(watch.look(after: .seconds(1), condition) == .isHeld)
    }

    @Test func `A supervisor that stands still is silent`() {
        var watch = SupervisorWatch(limits(grace: .seconds(1), stall: .seconds(20)))
        #expect(steps(&watch, for: 1000).isEmpty)
        #expect(steps(&watch, for: 25, .traced) == [25: .end(.stall)])
    }

    @Test func `An order that does not arrive is given anew and then carried out`() {
        var watch = SupervisorWatch(limits(grace: .seconds(30)))
        let found = steps(&watch, for: 46, isOrdered: true)
        #expect(found[32] == nil && found[33] == .orderKill && found[45] == .orderKill && found[46] == .end(nil))
        #expect(watch.isPressing)
    }

    @Test func `An order to kill is carried out within seconds`() {
        var watch = SupervisorWatch(limits())
        #expect(steps(&watch, for: 4, isOrdered: true, mustKill: true)[4] == .end(nil))
        var stopped = SupervisorWatch(limits())
        #expect(steps(&stopped, for: 3, .stopped, isOrdered: true, mustKill: true)[3] == .end(nil))
    }

    @Test(arguments: [
        ("s\0--grace\u{0}1.500\0--timeout\u{0}60.000\0/d\0--\0sh\0--stall\u{0}3\0", 1.5, 60.0, nil as Double?),
        ("s\0--grace\u{0}0.000\0--stall\u{0}7.250\0/d\0--\0sh\0", 0, nil, 7.25),
        ("", 30, nil, nil), ("s\0--timeout", 30, nil, nil), ("s\0--timeout\0nan\0", 30, nil, nil),
    ])
    func `The limits of an earlier runner's supervisor are on its command line`(
        text: String,
        grace: Double,
        timeout: Double?,
        stall: Double?
    ) {
        let limits = SupervisorLimits(commandLine: Array(text.utf8))
        #expect(limits.grace == .seconds(grace))
        #expect(limits.timeout == timeout.map { .seconds($0) })
        #expect(limits.stall == stall.map { .seconds($0) })
    }

    @Test func `A process table that changed while it was read holds nobody up`() throws {
        func entry(_ pid: Int32, _ parent: Int32) throws -> ProcessEntry {
            let rest = String(repeating: " 0", count: 17)
            return try #require(ProcessEntry(pid, stat: Array("\(pid) (a) b) S \(parent)\(rest) 5 0".utf8)[...]))
        }
        // 3 and 4 are each other's parents.
        let table = try [entry(2, 1), entry(3, 4), entry(4, 3), entry(5, 2), entry(6, 5), entry(1, 0)]
        #expect(Set(table.descendants(of: 2).map(\.pid)) == [5, 6])
        #expect(Set(table.descendants(of: 3).map(\.pid)) == [4])
        #expect(table[0].name == "a) b" && table[0].start == 5)
    }
}
