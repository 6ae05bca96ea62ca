import BSON

/// What a runner says and asks when its machine does not have what a task needs.
extension RunnerSession {
    /// Whether a runner of another machine takes that task: it lives, claims, and nothing in its names, its filter or
    /// the task is against it.
    ///
    /// - Parameter hosts: The machines that are out of the question.
    package func isServed(_ task: TaskRecord, besides hosts: [String]) async throws(HubError) -> Bool {
        guard let id = task.id else { return false }
        for other in try await hub.findRunners() where other.state == .running {
            guard let host = other.host, !hosts.hasBytes(of: host), task.refusals(of: other).isEmpty else { continue }
            if try await hub.queryObstacles(of: other, for: task, id).isEmpty { return true }
        }
        return false
    }

    /// Has the runner claim nothing until somebody resumes it, also after a restart.
    ///
    /// - Parameter reason: For whoever asks why.
    package func pauseItself(_ reason: String) async throws(HubError) {
        let itself = RunnerSelection(ids: [runner])
        _ = try await hub.request(.pause, of: itself, deadline: nil, by: nil, reason: reason)
    }
}
