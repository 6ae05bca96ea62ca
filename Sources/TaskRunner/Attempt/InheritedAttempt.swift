import BSON
import Glibc

/// An attempt of a runner that is dead, as the next runner of the machine finds it on the disk.
package struct InheritedAttempt: Sendable {
    package let directory: AttemptDirectory
    package let claim: AttemptClaim
    package let state: State

    package enum State: Sendable {
        /// Its supervisor lives.
        case running(SupervisorProcess)
        /// Its supervisor has ended; `exit.json` may tell how the script did.
        case ended(SupervisorProcess.Ending)
        /// The runner died before the supervisor came to start the script, and now it cannot any more.
        case neverStarted
    }

    /// Looks what has become of it. Blocks, for some milliseconds where the supervisor is just starting.
    package init(_ directory: AttemptDirectory, _ claim: AttemptClaim) throws(AttemptError) {
        self.directory = directory
        self.claim = claim
        while true {
            if let processes = try directory.processes() {
                if processes.bootID != bootID() {
                    state = .ended(.otherBoot)
                } else if let process = try SupervisorProcess.adopt(processes) {
                    state = .running(process)
                } else {
                    state = .ended(.unknown)
                }
                return
            }
            if try directory.exitReport() != nil {
                state = .ended(.unknown)
                return
            }
            // The supervisor holds a lock on the journal from before it looks for the claim until its end.
            if try directory.abandon() {
                state = .neverStarted
                return
            }
            usleep(5000)
        }
    }
}
