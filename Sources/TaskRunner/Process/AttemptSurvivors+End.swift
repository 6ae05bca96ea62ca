import Files
import Logging
import NIOPosix

extension AttemptSurvivors {
    /// Ends every process of an attempt that is found by its environment: its supervisor is asked first.
    static func end(
        of directory: AttemptDirectory,
        _ pool: NIOThreadPool,
        _ persistence: Persistence,
        _ logger: Logger
    ) async {
        let start = ContinuousClock.now
        var backoff = Backoff(.milliseconds(10), upTo: .seconds(1))
        var hasWarned = false
        while true {
            let age = ContinuousClock.now - start
            do {
                let pids = try await pool.runIfActive {
                    try kill(of: directory, isPatient: age < supervisorPatience)
                }
                if pids.isEmpty {
                    // A supervisor that is just being started finds no claim any more.
                    let state = try await pool.runIfActive { try directory.abandon() }
                    if state != .busy || age > supervisorPatience { return }
                } else if age > supervisorPatience * 2, !hasWarned {
                    hasWarned = true
                    logger.error("Processes survive SIGKILL, the kernel holds them", metadata: ["pids": "\(pids)"])
                }
            } catch {
                // A journal that cannot be opened cannot be begun in either.
                guard (error as? FileError)?.mayPass == true else { return }
            }
            await persistence.pauseUncancelled(backoff.next())
        }
    }

    /// A supervisor gives its processes ten seconds to die.
    private static let supervisorPatience: Duration = .seconds(12)
}
