import BSON
import Glibc
import MongoDriver
import Synchronization

/// The server's wall clock, estimated: `hello.localTime` plus half the round trip, carried on by a monotonic clock and
/// asked for again when the estimate is a minute old. Inserts need it because they cannot use `$$NOW`.
final class ServerClock: Sendable {
    private struct Estimate {
        var milliseconds: Int64
        var taken: ContinuousClock.Instant
    }

    /// Milliseconds by which a new estimate may be behind for want of precision; by more, the server's clock was set.
    private static let imprecision: Int64 = 10_000
    /// How long an estimate serves.
    static let lifetime: Duration = .seconds(60)

    private let database: MongoDatabase
    private let estimate = Mutex<Estimate?>(nil)
    /// The latest that was told: a new estimate may be some milliseconds behind, and what is written later must not
    /// read as earlier.
    private let latest = Mutex(Int64(0))

    init(_ database: MongoDatabase) {
        self.database = database
    }

    func now() async throws(MongoError) -> BSONDateTime {
        let clock = ContinuousClock()
        if let known = estimate.withLock({ $0 }), clock.now - known.taken < Self.lifetime {
            return advance(known, to: clock.now)
        }
        let sent = clock.now
        let reply = try await database.runCommand(["hello": 1], isIdempotent: true)
        let received = clock.now
        guard let time = reply["localTime"]?.dateTimeValue else {
            throw MongoError(
                .server,
                "the server's reply to hello has no localTime; it is not a MongoDB 4.4.2 or later"
            )
        }
        let fresh = Estimate(milliseconds: time.millisecondsSince1970, taken: sent + (received - sent) / 2)
        estimate.withLock { $0 = fresh }
        return advance(fresh, to: clock.now)
    }

    /// The last estimate carried on, however old it is; before the first, the machine's own clock. Never waits for
    /// anybody.
    func estimated() -> BSONDateTime {
        if let known = estimate.withLock({ $0 }) { return advance(known, to: ContinuousClock.now) }
        return .now
    }

    private func advance(_ estimate: Estimate, to instant: ContinuousClock.Instant) -> BSONDateTime {
        let elapsed = (instant - estimate.taken) / .milliseconds(1)
        let time = latest.withLock { latest in
            let time = estimate.milliseconds + Int64(elapsed)
            if time > latest || time < latest - Self.imprecision { latest = time }
            return latest
        }
        return BSONDateTime(millisecondsSince1970: time)
    }
}
