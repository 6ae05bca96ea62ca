package import TaskRunner

extension Runner.StopStep {
    /// What happens now, and what the next step would do.
    ///
    /// - Parameter next: How the next step is asked for: `Ctrl-C again`.
    package func words(next: String) -> String {
        switch self {
        case .draining(0), .releasing(0), .killing(0): "stopping; nothing is running"
        case .draining(let running):
            "nothing more is claimed; waiting for \(counted(running, "task")) to end. \(next) gives running tasks back"
        case .releasing(let running):
            "stopping the scripts of \(counted(running, "task")), which go back to pending. \(next) kills the scripts at once"
        case .killing(let running):
            "killing the scripts of \(counted(running, "task")), which go back to pending"
        }
    }
}
