/// What can be done to a runner, its scripts, its disk, its clock, its network or its database.
package enum Fault: String, CaseIterable, Sendable {
    /// kill -9 of a daemon; its service manager starts it again.
    case runnerKill = "runner-kill"
    /// kill -9 of a daemon and of everything that it ran; its disk is lost too.
    case hostLoss = "host-loss"
    /// SIGSTOP of a daemon for longer than a lease, then SIGCONT.
    case runnerFreeze = "runner-freeze"
    case scriptKill = "script-kill"
    case supervisorKill = "supervisor-kill"
    /// kill -9 of supervisor, script and all that it started.
    case attemptKill = "attempt-kill"
    /// kill -9 of the primary of three nodes; it comes back later.
    case primaryKill = "primary-kill"
    case stepDown = "step-down"
    case connectionsDrop = "connections-drop"
    case connectionsDelay = "connections-delay"
    /// What the runner sends arrives nowhere.
    case halfOpenToServer = "half-open-to-server"
    /// What the server sends arrives nowhere: it does what the runner never hears of.
    case halfOpenToRunner = "half-open-to-runner"
    case halfOpenBothWays = "half-open-both-ways"
    case connectionsRefused = "connections-refused"
    /// The server claims; the reply is lost.
    case claimReplyLost = "claim-reply-lost"
    /// The server renews or finishes; the reply is lost.
    case updateReplyLost = "update-reply-lost"
    /// A claim fails before it is carried out.
    case claimFails = "claim-fails"
    /// A renewal or report fails before it is carried out, the connection with it.
    case updateFails = "update-fails"
    /// A renewal or report is carried out, but not acknowledged as asked for.
    case updateUnknown = "update-unknown"
    /// Output cannot be stored.
    case outputFails = "output-fails"
    case diskFull = "disk-full"
    /// A daemon is started again with a clock that is an hour wrong.
    case clockWrong = "clock-wrong"
    /// SIGSTOP of the one mongod, then SIGCONT.
    case databaseFreeze = "database-freeze"
    /// kill -9 of the one mongod, which is away for a while.
    case databaseKill = "database-kill"
    /// A task whose document has a key twice comes to the head of the queue.
    case repeatedKey = "repeated-key"
    /// Somebody cancels a task, waiting or running.
    case cancel
    /// Scripts change modes in their attempt directories and above, or put other things in the place of files there.
    case modes
    /// The same, and then kill -9 of the daemon; the next one must take up the innocents.
    case modesKill = "modes-kill"
    /// Scripts SIGSTOP their supervisor, which is to stop them at a time limit or on a cancel.
    case supervisorStop = "supervisor-stop"
    /// Scripts send their supervisor every signal that ends or disturbs a program.
    case supervisorSignals = "supervisor-signals"
    /// A script sends its runner queries that keep MongoDB busy, forty at a time, for longer than a lease.
    case scriptQueries = "script-queries"
    /// The primary is killed or steps down while programs store data sets, models, tasks and logs.
    case electionWrites = "election-writes"

    /// The deployments in which it can be made.
    package var deployments: Set<Deployment.Kind> {
        switch self {
        case .primaryKill, .stepDown, .electionWrites: [.replicaSet]
        case .databaseFreeze, .databaseKill, .repeatedKey: [.single]
        case .runnerKill, .hostLoss, .runnerFreeze, .scriptKill, .supervisorKill, .attemptKill, .diskFull, .clockWrong,
            .cancel, .modes, .modesKill, .supervisorStop, .supervisorSignals:
            [.shared, .single, .replicaSet]
        case .scriptQueries:
            // Not on a mongod that other tests use: it is kept busy.
            [.single, .replicaSet]
        case .connectionsDrop, .connectionsDelay, .halfOpenToServer, .halfOpenToRunner, .halfOpenBothWays,
            .connectionsRefused, .claimReplyLost, .updateReplyLost:
            // A proxy needs a direct connection, which in a replica set would not follow the primary.
            [.shared, .single]
        case .claimFails, .updateFails, .updateUnknown, .outputFails:
            // The server has one such fail point: not on a mongod that other tests use.
            [.single]
        }
    }

    /// Whether it is done to the database and not to one runner: one of these at a time.
    package var isOfDatabase: Bool {
        switch self {
        case .primaryKill, .stepDown, .databaseFreeze, .databaseKill, .claimFails, .updateFails, .updateUnknown,
            .outputFails, .electionWrites, .repeatedKey:
            true
        default: false
        }
    }

    /// Whether scripts do it to themselves: victims of their own, whose neighbours must not notice.
    package var isByScripts: Bool {
        switch self {
        case .modes, .modesKill, .supervisorStop, .supervisorSignals, .scriptQueries: true
        default: false
        }
    }

    /// Whether no task but a victim may be lost an attempt by it, however long it takes.
    package var sparesNeighbours: Bool { isByScripts && self != .modesKill }

    /// Whether an attempt that is under way need not notice it: it ends as the attempt that it was, and the task has no
    /// other. What takes longer than a lease is excepted where it cuts one runner off and leaves another.
    package var sparesAttempts: Bool {
        switch self {
        case .hostLoss, .runnerFreeze, .scriptKill, .supervisorKill, .attemptKill, .diskFull: false
        default: true
        }
    }
}
