import Chaos
import TensorHub
import TestSupport
import Testing

/// Each fault alone, small: some tasks that run when it comes, some that come after.
@Suite struct SingleFaultTests {
    private static let ofOneRunner: [Fault] = Fault.allCases.filter {
        $0.deployments.contains(.shared) && $0 != .diskFull && $0 != .clockWrong
    }
    private static let ofOneDatabase: [Fault] = Fault.allCases.filter { $0.deployments == [.single] }
    private static let ofReplicaSet: [Fault] = Fault.allCases.filter { $0.deployments == [.replicaSet] }

    @Test(
        "A fault of one runner, its scripts or its connections loses no task and runs none twice",
        arguments: ofOneRunner
    )
    func oneRunner(_ fault: Fault) async throws {
        var options = ChaosTrial.Options()
        options.deployment = .shared
        try await survive(fault, options)
    }

    @Test("A MongoDB that fails or goes away loses no task and runs none twice", arguments: ofOneDatabase)
    func oneDatabase(_ fault: Fault) async throws {
        try await survive(fault, ChaosTrial.Options())
    }

    @Test("A replica set that changes its primary loses no task and runs none twice", arguments: ofReplicaSet)
    func threeNodes(_ fault: Fault) async throws {
        var options = ChaosTrial.Options()
        options.deployment = .replicaSet
        // Longer than an election.
        options.lease = .seconds(6)
        try await survive(fault, options)
    }

    @Test(
        "A full disk costs attempts and no task",
        .enabled(if: SmallDisk.obstacle == nil, "\(SmallDisk.obstacle ?? "")")
    )
    func fullDisk() async throws {
        var options = ChaosTrial.Options()
        options.deployment = .shared
        options.hasSmallDisk = true
        try await survive(.diskFull, options)
    }

    @Test("A runner whose clock is an hour off neither loses a task nor runs one twice")
    func wrongClock() async throws {
        if let obstacle = await WrongClock.obstacle() {
            try Test.cancel("\(obstacle)")
        }
        var options = ChaosTrial.Options()
        options.deployment = .shared
        options.hasWrongClock = true
        try await survive(.clockWrong, options)
    }

    @Test("A script that prints more than a pipe and a chunk hold has all of it stored once")
    func flood() async throws {
        var options = ChaosTrial.Options()
        options.deployment = .shared
        try await withTrial(options) { trial in
            let scripts = [0, 1, 300_000, 1_000_000, 5_000_000].map { RecordingScript(flood: $0) }
            let expectations = try await trial.submit(scripts)
            try await trial.startRunners()
            #expect(await trial.waitForEnds(within: .seconds(60)))
            expectNone(try await trial.check(expectations))
        }
    }

    private func survive(_ fault: Fault, _ options: ChaosTrial.Options) async throws {
        var options = options
        // However the long ones fall, every runner has a slot for short ones.
        options.slots = 3
        try await withTrial(options) { trial in
            let lease = options.lease / .seconds(1)
            // Some that are under way all the time, and short ones, so that claims and reports go on.
            var scripts = [RecordingScript](repeating: RecordingScript(seconds: lease * 1.3, steps: 8), count: 2)
            scripts += [RecordingScript](repeating: RecordingScript(seconds: 0.3), count: 24)
            scripts += [RecordingScript(exit: 3), RecordingScript(leavesChild: true)]
            let expectations = try await trial.submit(scripts)
            try await trial.startRunners()
            #expect(await trial.waitForStarts(4, within: .seconds(30)))

            // Of a runner that is started anew, the rest of the lease is for its start, however busy the machine is.
            let leases: [Fault: Double] = [.runnerFreeze: 1.5, .runnerKill: 0.2]
            let made = await trial.make(FaultPlan(fault, leases: leases[fault] ?? 0.5))
            #expect(made.isMade, "\(made)")
            #expect(await trial.waitForEnds(within: .seconds(60)), "not all tasks ended after \(made)")
            expectNone(try await trial.check(expectations), "after \(made)")
            guard fault.sparesAttempts else { return }
            for task in try await trial.hub.findTasks() where task.status == .finished && task.attempt != 1 {
                let causes = task.history.compactMap(\.cause).joined(separator: ", ")
                Issue.record("\(made) cost an attempt: \(causes)")
            }
        }
    }
}
