import BSON
import Console
import TensorHub

/// What a runner costs that has nothing to do: ours alone, because the limits are absolute.
struct BenchIdle {
    let site: BenchSite

    static let length: Duration = .seconds(20)

    func measure() async throws -> [BenchMeasurement] {
        let name = "idle-\(ObjectID())"
        var result: [BenchMeasurement] = []
        let runner = try BenchRunner.start(.ours, at: site, name: name, slots: BenchRounds.slots, count: 0)
        try await BenchRunner.with([runner], endBySelves: false) { isGoing in
            // One that has worked holds more than one that has not.
            _ = try await site.hub.createTasks(site.specs(20, name: name, script: "#!/bin/echo\n"))
            try await site.waitForEnd(of: name, every: .milliseconds(200), while: isGoing)
            try await Task.sleep(for: .seconds(5))

            let pid = runner.process.pid
            let clock = ContinuousClock()
            let began = clock.now
            let (cpu, statements) = (try BenchCost.processorSeconds(pid).own, try await site.statements())
            try await Task.sleep(for: Self.length)
            let seconds = (clock.now - began) / .seconds(1)
            let usedCPU = try BenchCost.processorSeconds(pid).own - cpu
            let sent = try await site.statements() - statements
            result = [
                figure("idle memory", "MB resident", try BenchCost.residentMegabytes(pid), limit: 25),
                figure("idle CPU", "% of a core", usedCPU / seconds * 100, limit: 0.3),
                figure("idle statements", "per second", Double(sent) / seconds, limit: 1),
            ]
        }
        return result
    }

    private func figure(_ name: String, _ unit: String, _ value: Double, limit: Double) -> BenchMeasurement {
        BenchMeasurement(name: name, unit: unit, ours: [value], referenceName: "", goal: .atMost(limit))
    }
}
