import BSON
package import Files

/// An attempt of a runner that is dead, as the next runner of the machine finds it on the disk.
package struct TakenOverAttempt: Sendable {
    package let directory: AttemptDirectory
    package let claim: AttemptClaim
    /// What is wrong with its directory: then what lives of it is ended, and the directory is set aside.
    let damage: DamagedAttempt?

    package init(_ directory: AttemptDirectory, _ claim: AttemptClaim) {
        self.directory = directory
        self.claim = claim
        damage = nil
    }

    /// One whose claim MongoDB tells.
    init(_ damage: DamagedAttempt, _ claim: AttemptClaim) {
        directory = damage.directory
        self.claim = claim
        self.damage = damage
    }

    package enum State: Sendable {
        /// Its supervisor lives.
        case running(SupervisorProcess)
        /// Its supervisor has ended; `exit.json` may tell how the script did.
        case ended(SupervisorProcess.Ending)
        /// The runner died before the supervisor came to start the script, and now it cannot any more.
        case neverStarted
    }

    /// Looks what has become of it. Blocks.
    ///
    /// - Returns: `nil` while that cannot be told: the supervisor is just starting, or lives and nothing says which
    ///   process it is. To be asked again, as where it throws an error that may pass.
    package func look() throws(FileError) -> State? {
        if let state = try started() { return state }
        if try directory.exitRecord() != nil { return .ended(.unknown) }
        // The supervisor holds a lock on the journal from before it looks for the claim until its end.
        switch try directory.abandon() {
        case .abandoned: return .neverStarted
        case .busy: return nil
        // It has come and gone since; or a power cut, or the script, has damaged what it wrote.
        case .ended: return try started() ?? .ended(.unknown)
        }
    }

    /// What `pids.json` tells; `nil` where it is not there or tells nothing.
    private func started() throws(FileError) -> State? {
        guard let processes = try directory.processes() else { return nil }
        if processes.bootID != (try bootID()) { return .ended(.otherBoot) }
        return try SupervisorProcess.takeOver(processes).map(State.running) ?? .ended(.unknown)
    }
}
