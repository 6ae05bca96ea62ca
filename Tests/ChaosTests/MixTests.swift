import Chaos
import Glibc
import TestSupport
import Testing

@Suite struct MixTests {
    @Test(arguments: [Deployment.Kind.single])
    func `A short mix of faults loses no task and runs none twice`(_ deployment: Deployment.Kind) async throws {
        let seed = getenv("TENSORHUB_CHAOS_SEED").flatMap { UInt64(String(cString: $0)) } ?? 1
        print("seed \(seed) (TENSORHUB_CHAOS_SEED)")
        var options = ChaosTrial.Options()
        options.deployment = deployment
        options.runners = 3
        try await withTrial(options) { trial in
            var generator = SplitMix64(seed: seed)
            let mix = FaultMix(trial) { print($0) }
            let outcome = try await mix.run(tasks: 60, for: .seconds(12), limit: .seconds(60), with: &generator)
            #expect(outcome.violations == [], "seed \(seed)")
        }
    }

    @Test func `The same seed draws the same faults`() {
        func draw(_ seed: UInt64) -> [String] {
            var generator = SplitMix64(seed: seed)
            return (0..<20).map { _ in "\(FaultPlan(of: Fault.allCases, runners: 4, with: &generator))" }
        }
        #expect(draw(7) == draw(7))
        #expect(draw(7) != draw(8))
    }

    @Test func `An outage of MongoDB in mid-training stops no script and loses no output`() async throws {
        let violations = try await turns.one {
            try await OutageTrial.run(outage: .seconds(6), lease: .seconds(3)) { print($0) }
        }
        #expect(violations == [])
    }
}
