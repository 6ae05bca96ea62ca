package import TestSupport

/// A fault with everything that is drawn for it.
package struct FaultPlan: Sendable {
    package var fault: Fault
    /// The number of the runner that it concerns.
    package var runner: Int
    /// How long it lasts, in leases; where it has a duration.
    package var leases: Double
    /// Any number, for what else has to be chosen.
    package var choice: UInt64
    /// How many scripts do harm, where scripts do it.
    package var victims: Int

    package init(_ fault: Fault, runner: Int = 0, leases: Double = 0.4, choice: UInt64 = 0, victims: Int = 2) {
        self.fault = fault
        self.runner = runner
        self.leases = leases
        self.choice = choice
        self.victims = victims
    }

    /// Draws one.
    package init(of faults: [Fault], runners: Int, with generator: inout SplitMix64) {
        fault = faults[Int.random(in: faults.indices, using: &generator)]
        runner = Int.random(in: 0..<runners, using: &generator)
        leases =
            fault == .runnerFreeze
            ? Double.random(in: 1.2...2, using: &generator) : Double.random(in: 0.1...1.6, using: &generator)
        choice = generator.next()
        victims = 3
    }

    /// So many of the list as there are victims, beginning where the choice says, none twice and not all alike.
    func pick<Element>(_ list: [Element]) -> [Element] {
        let count = min(victims, list.count)
        let first = Int(choice % UInt64(max(1, list.count)))
        let step = list.count % 7 == 0 ? 1 : 7
        return (0..<count).map { list[(first + $0 * step) % list.count] }
    }
}
