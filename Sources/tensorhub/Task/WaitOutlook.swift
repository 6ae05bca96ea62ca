import BSON
import Console
import TensorHub

/// What is said beside the progress of a wait: why nothing moves, and how long the rest may take.
struct WaitOutlook {
    let hub: Hub
    let selection: TaskSelection
    let view: ProgressView

    /// Between two looks.
    private static let pause: Duration = .seconds(4)

    /// Looks again and again, until cancelled. Whatever keeps it from looking the wait itself tells.
    func run() async {
        var told: TaskOutlook.Standstill?
        while !Task.isCancelled {
            if let outlook = try? await hub.outlook(selection) {
                if let standstill = outlook.standstill, standstill != told { view.say(Self.words(standstill)) }
                told = outlook.standstill
                view.show(rest: outlook.rest, siblings: outlook.siblings)
            }
            try? await Task.sleep(for: Self.pause)
        }
    }

    private static func words(_ standstill: TaskOutlook.Standstill) -> String {
        let reason =
            switch standstill {
            case .held(let count):
                "\(count == 1 ? "the task that is left is" : "all \(count) that are left are") held; "
                    + "`tensorhub release` lets them start"
            case .noRunner: "no runner serves this project; start tensorhubd on a machine"
            case .paused(let runners):
                "every runner is paused: \(runners.joined(separator: ", ")); `tensorhub runner resume` has them go on"
            case .refused(let id): "no runner takes what is left; `tensorhub why \(id)` tells why"
            }
        return "nothing can move: \(reason)"
    }
}
