import BSON
import Glibc
import MongoDriver
import Synchronization
import TensorHub
import TestSupport

extension ChaosTrial {
    /// What became of a fault.
    package struct Made: Sendable, CustomStringConvertible {
        package var plan: FaultPlan
        /// Whether anything was hit: there may have been no script to kill, no claim to fail.
        package var isMade: Bool
        package var words: String

        package var description: String { "\(plan.fault.rawValue): \(words)" }
    }

    /// Makes a fault, waits for its end and puts right what does not mend by itself.
    package func make(_ plan: FaultPlan) async -> Made {
        do {
            let words = try await carryOut(plan)
            return Made(plan: plan, isMade: words != nil, words: words ?? "there was nothing to hit")
        } catch {
            return Made(plan: plan, isMade: false, words: "not made: \(error)")
        }
    }

    /// The faults that this trial can make, and why it cannot make the others of its deployment.
    package var faults: (possible: [Fault], skipped: [String]) {
        var possible = Fault.allCases.filter { $0.deployments.contains(options.deployment) }
        if disk == nil { possible.removeAll { $0 == .diskFull } }
        if clock == nil { possible.removeAll { $0 == .clockWrong } }
        let obstacle = SmallDisk.obstacle.map { ["disk-full is skipped: \($0)"] } ?? []
        return (possible, obstacle + (clock == nil ? ["clock-wrong is skipped: no clock can be made wrong"] : []))
    }

    private func carryOut(_ plan: FaultPlan) async throws -> String? {
        let runner = runners[plan.fault == .diskFull ? 0 : plan.runner]
        let time = options.lease * plan.leases
        let name = runner.options.name
        let seconds = "for \((time / .milliseconds(1)).rounded() / 1000) s"
        switch plan.fault {
        case .runnerKill:
            let count = runner.attempts.count { $0.role == .script }
            await runner.kill()
            await endure(time)
            try await runner.start()
            return "\(name), with \(count) scripts, away \(seconds)"
        case .hostLoss:
            let count = await runner.loseHost()
            try await runner.start()
            return "\(name), \(count) processes; \(runner.options.name) takes its place"
        case .runnerFreeze:
            runner.signal(SIGSTOP)
            await endure(time)
            runner.signal(SIGCONT)
            return "\(name) \(seconds)"
        case .scriptKill: return await kill(.script, of: runner, plan.choice)
        case .supervisorKill: return await kill(.supervisor, of: runner, plan.choice)
        case .attemptKill: return await kill(nil, of: runner, plan.choice)
        case .primaryKill, .stepDown: return try await disturbReplicaSet(plan, time)
        case .databaseFreeze:
            deployment.freeze()
            await endure(time)
            deployment.thaw()
            return seconds
        case .databaseKill:
            await deployment.kill()
            await endure(time)
            // Its port may be somebody's outgoing one for a moment.
            for _ in 0..<20 {
                if (try? await deployment.restart()) != nil { return "away \(seconds)" }
            }
            try await deployment.restart()
            return "away \(seconds), and then hard to start"
        case .diskFull:
            guard let disk else { return nil }
            fullHosts.withLock { _ = $0.insert(name) }
            disk.fill()
            await endure(time)
            disk.free()
            return "\(name) \(seconds)"
        case .clockWrong:
            guard let clock else { return nil }
            let offset = plan.choice % 2 == 0 ? 3600 : -3600
            await runner.kill()
            runner.change { $0.environment = clock.variables(offset: offset) }
            try await runner.start()
            return "\(name) is \(offset) s off from now on"
        case .claimFails, .updateFails, .updateUnknown, .outputFails:
            return try await failCommands(plan, time)
        case .cancel: return try await cancelSomeTask(plan)
        case .modes, .modesKill, .supervisorStop, .supervisorSignals, .scriptQueries:
            return try await letScriptsHarm(plan, runner, time).map { "\(name): \($0)" }
        case .repeatedKey: return try await storeRepeatedKey(plan, time)
        case .electionWrites: return try await writeThroughElection(plan)
        default:
            return try await disturbConnections(plan, runner, time).map { "\(name)\($0)" }
        }
    }

    private func kill(_ role: AttemptProcess.Role?, of runner: RunnerProcess, _ choice: UInt64) async -> String? {
        var victims: [AttemptProcess] = []
        let isFound = await eventually(within: options.lease) {
            let all = runner.attempts
            let chosen = all.filter { $0.role == role ?? .script }
            guard !chosen.isEmpty else { return false }
            let attempt = chosen[Int(choice % UInt64(chosen.count))].attempt
            victims = all.filter { $0.attempt == attempt && (role == nil || $0.role == role) }
            return true
        }
        guard isFound else { return nil }
        for victim in victims { Glibc.kill(victim.pid, SIGKILL) }
        return "\(runner.options.name), attempt \(victims[0].attempt), \(victims.count) processes"
    }

    func disturbReplicaSet(_ plan: FaultPlan, _ time: Duration) async throws -> String? {
        guard let set = deployment.replicaSet else { return nil }
        if plan.fault == .stepDown || plan.fault == .electionWrites && plan.choice % 2 == 0 {
            let refusal = await set.stepDown(seconds: 3)
            return refusal.map { "the primary said: \($0)" } ?? "the primary"
        }
        guard let index = await set.killPrimary() else { return nil }
        await endure(time)
        try await set.restart(index)
        return "node \(index)"
    }

    private func disturbConnections(_ plan: FaultPlan, _ runner: RunnerProcess, _ time: Duration) async throws
        -> String?
    {
        guard let proxy = runner.proxy else { return nil }
        let before = proxy.lostReplies
        switch plan.fault {
        case .connectionsDrop:
            proxy.drop()
            return ""
        case .connectionsDelay: proxy.behave(.delay(.milliseconds(20 + Int(plan.choice % 300))))
        case .halfOpenToServer: proxy.behave(.swallow(toServer: true, toClient: false))
        case .halfOpenToRunner: proxy.behave(.swallow(toServer: false, toClient: true))
        case .halfOpenBothWays: proxy.behave(.swallow(toServer: true, toClient: true))
        case .connectionsRefused: proxy.refuse()
        case .claimReplyLost: proxy.loseReplies(to: "findAndModify", times: 2)
        default: proxy.loseReplies(to: "update", times: 2)
        }
        await endure(time)
        proxy.heal()
        guard plan.fault == .claimReplyLost || plan.fault == .updateReplyLost else {
            return " for \((time / .milliseconds(1)).rounded() / 1000) s"
        }
        let lost = proxy.lostReplies - before
        return lost == 0 ? nil : ", \(lost) replies"
    }

    private func failCommands(_ plan: FaultPlan, _ time: Duration) async throws -> String? {
        var data: BSONDocument = ["appName": .string(Self.applicationName)]
        switch plan.fault {
        case .claimFails: data.append("failCommands", ["findAndModify"])
        case .outputFails: data.append("failCommands", ["insert"])
        default: data.append("failCommands", ["update"])
        }
        if plan.fault == .updateUnknown {
            data.append("writeConcernError", ["code": 64, "errmsg": "waiting for replication timed out"])
        } else {
            data.append("closeConnection", true)
        }
        let admin = hub.client.database("admin")
        let before = try await admin.runCommand([
            "configureFailPoint": "failCommand", "mode": ["times": .init(smallest: 1 + Int(plan.choice % 4))],
            "data": .document(data),
        ])
        await endure(time)
        let reply = try await admin.runCommand(["configureFailPoint": "failCommand", "mode": "off"])
        // Counted from the server's start.
        let count = (reply["count"]?.intValue ?? 0) - (before["count"]?.intValue ?? 0)
        return count == 0 ? nil : "\(count) times"
    }
}
