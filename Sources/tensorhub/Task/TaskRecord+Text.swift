import BSON
import Console
import Glibc
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

extension BSONDateTime {
    /// By this machine's clock: good enough for an age in a table.
    static var now: BSONDateTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return BSONDateTime(millisecondsSince1970: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
}
