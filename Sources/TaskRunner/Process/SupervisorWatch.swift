/// A runner's second watch over one supervisor. The supervisor keeps limits and orders; but it runs as the same user as
/// its script, which may stop it (SIGSTOP), trace it, or keep it busy. What the supervisor looks like and what it was
/// asked for go in, what is to be done about it comes out: no input or output.
///
/// The time is what the watch has seen go by. A runner or a machine that stood still itself has not watched meanwhile.
struct SupervisorWatch: Sendable {
    /// What the kernel says of the process.
    enum Condition: Sendable {
        case running
        /// By SIGSTOP or the like; SIGCONT ends it.
        case stopped
        /// By somebody who traces it: a debugger of a person's, or the script.
        case traced
    }

    enum Step: Sendable, Equatable {
        case nothing
        /// SIGCONT.
        case resume
        /// The order to kill the script, given anew: the supervisor may not have got the first one.
        case orderKill
        /// Kill the supervisor, and all below it. For what it is then a failure of the script's; `nil` where it was
        /// asked to end.
        case end(AttemptOutcome.Kind?)
        /// It was killed, and is still there: the kernel holds it.
        case isHeld
    }

    /// How long a supervisor may take after a limit and the grace period: ten seconds are its own, for processes that
    /// die slowly.
    static let slack: Duration = .seconds(15)
    /// The same, for one that stands still and so is at nothing.
    static let stoppedSlack: Duration = .seconds(3)
    /// How long it may take to kill the script.
    static let killLimit: Duration = .seconds(3)
    /// The same, for one that is found stopped though it was told to go on.
    static let stoppedKillLimit: Duration = .milliseconds(1500)
    /// How long it may be found stopped at every look, though it was told to go on each time.
    static let stopLimit: Duration = .seconds(60)
    /// How soon it is gone after SIGKILL, unless the kernel holds it.
    static let deathLimit: Duration = .seconds(2)

    private let limits: SupervisorLimits
    private var age: Duration = .zero
    // When it was seen to be so first, by the age.
    private var stopOrdered: Duration?
    private var killOrdered: Duration?
    private var stopped: Duration?
    private var ended: Duration?

    init(_ limits: SupervisorLimits) {
        self.limits = limits
    }

    /// Whether somebody waits for its end.
    var isPressing: Bool { stopOrdered != nil || killOrdered != nil || ended != nil }

    /// - Parameters:
    ///   - elapsed: The time since the last look, or since the first sight of the process.
    ///   - isOrdered: Whether it was asked to stop the script.
    ///   - mustKill: Whether it was asked to do so without grace.
    mutating func look(
        after elapsed: Duration,
        _ condition: Condition,
        isOrdered: Bool = false,
        mustKill: Bool = false
    ) -> Step {
        age += elapsed
        if let ended { return age - ended >= Self.deathLimit ? .isHeld : .nothing }
        if isOrdered, stopOrdered == nil { stopOrdered = age }
        if mustKill, killOrdered == nil { killOrdered = age }
        stopped = condition == .running ? nil : stopped ?? age
        if let step = overdue(condition) {
            if case .end = step { ended = age }
            return step
        }
        return condition == .stopped ? .resume : .nothing
    }

    /// What is to be done where it has not done its part in time.
    private func overdue(_ condition: Condition) -> Step? {
        func hasPassed(_ limit: Duration, since start: Duration?) -> Bool { start.map { age - $0 >= limit } ?? false }
        let standsStill = hasPassed(Self.deathLimit, since: stopped)
        let last = limits.grace + (standsStill ? Self.stoppedSlack : Self.slack)
        if hasPassed(condition == .running ? Self.killLimit : Self.stoppedKillLimit, since: killOrdered)
            || hasPassed(last, since: stopOrdered)
        {
            return .end(nil)
        }
        if let timeout = limits.timeout, age >= timeout + last { return .end(.timeout) }
        // One that stands still hears nothing of its script.
        if let stall = limits.stall, hasPassed(stall + last, since: stopped) { return .end(.stall) }
        if condition == .stopped, hasPassed(Self.stopLimit, since: stopped) { return .end(.supervisorStopped) }
        let isLate = hasPassed(limits.grace + Self.deathLimit, since: stopOrdered)
        return killOrdered != nil || isLate ? .orderKill : nil
    }
}
