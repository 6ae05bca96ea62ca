package import BSON
import Glibc

extension BSONDateTime {
    /// By this machine's clock: good enough for an age in a table, and for a log.
    package static var now: BSONDateTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return BSONDateTime(millisecondsSince1970: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
}
