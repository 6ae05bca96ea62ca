import BSON
import Console
import TensorHub

extension TaskRecord {
    /// The status, and what it does not tell: that a pending task is held, or that a running one is being cancelled.
    var state: String {
        switch status {
        case .pending where isHeld: "pending (held)"
        case .running where cancelRequested: "running (cancelling)"
        default: status.rawValue
        }
    }

    /// Of the latest attempt, until now where it runs.
    func duration(now: BSONDateTime) -> Duration? {
        guard let started else { return nil }
        if status == .running { return now.since(started) }
        let end = ended ?? history.last?.end
        return end.map { $0.since(started) }
    }
}
