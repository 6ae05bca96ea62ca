import Chaos
import TensorHub
import TestSupport
import Testing

/// Each fault alone, small: some tasks that run when it comes, some that come after.
@Suite struct SingleFaultTests {
    private static let ofOneRunner: [Fault] = Fault.allCases.filter {
        $0.deployments.contains(.shared) && $0 != .diskFull && $0 != .clockWrong && !$0.isByScripts
    }
    private static let ofOneDatabase: [Fault] = Fault.allCases.filter { $0.deployments == [.single] }
    private static let ofReplicaSet: [Fault] = Fault.allCases.filter { $0.deployments == [.replicaSet] }

    @Test(arguments: ofOneRunner)
    func `A fault of one runner, its scripts or its connections loses no task and runs none twice`(_ fault: Fault)
        async throws
    {
        var options = ChaosTrial.Options()
        options.deployment = .shared
        #expect(try await damage(by: fault, options) == [])
    }

    @Test(arguments: ofOneDatabase)
    func `A MongoDB that fails or goes away loses no task and runs none twice`(_ fault: Fault) async throws {
        #expect(try await damage(by: fault, ChaosTrial.Options()) == [])
    }

    @Test(arguments: ofReplicaSet)
    func `A replica set that changes its primary loses no task and runs none twice`(_ fault: Fault) async throws {
        var options = ChaosTrial.Options()
        options.deployment = .replicaSet
        // Longer than an election.
        options.lease = .seconds(6)
        #expect(try await damage(by: fault, options) == [])
    }

    @Test(.enabled(if: SmallDisk.obstacle == nil, "\(SmallDisk.obstacle ?? "")"))
    func `A full disk costs attempts and no task`() async throws {
        var options = ChaosTrial.Options()
        options.deployment = .shared
        options.hasSmallDisk = true
        #expect(try await damage(by: .diskFull, options) == [])
    }

    @Test func `A runner whose clock is an hour off neither loses a task nor runs one twice`() async throws {
        if let obstacle = await WrongClock.obstacle() {
            try Test.cancel("\(obstacle)")
        }
        var options = ChaosTrial.Options()
        options.deployment = .shared
        options.hasWrongClock = true
        #expect(try await damage(by: .clockWrong, options) == [])
    }

    @Test func `A script that prints more than a pipe and a chunk hold has all of it stored once`() async throws {
        var options = ChaosTrial.Options()
        options.deployment = .shared
        try await withTrial(options) { trial in
            let scripts = [0, 1, 300_000, 1_000_000, 5_000_000].map { RecordingScript(flood: $0) }
            let expectations = try await trial.submit(scripts)
            try await trial.startRunners()
            #expect(await trial.waitForEnds(within: .seconds(60)))
            #expect(try await trial.check(expectations) == [])
        }
    }
}
