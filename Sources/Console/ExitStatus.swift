/// What the exit status of a command says; the same for every command.
package enum ExitStatus {
    package static let done: Int32 = 0
    /// MongoDB or the system refused, also for want of a right.
    package static let failure: Int32 = 1
    /// Something that the caller gave cannot be used; nothing was written.
    package static let badInput: Int32 = 2
    /// No task matches.
    package static let nothingMatched: Int32 = 3
    /// MongoDB cannot be reached.
    package static let unreachable: Int32 = 69
    /// `tensorhubd` has handed its running scripts over to the next one (SIGUSR2).
    package static let handedOver: Int32 = 75
    /// Of the tasks that the command was about, some failed. Wins over `tasksCancelled`.
    package static let tasksFailed: Int32 = 100
    /// Of the tasks that the command was about, some were cancelled.
    package static let tasksCancelled: Int32 = 103
    /// The time limit of a wait has passed.
    package static let timeout: Int32 = 124
    /// Ctrl-C.
    package static let interrupted: Int32 = 130
    /// Nobody reads the output any more, as after `| head`: 128 and SIGPIPE.
    package static let outputClosed: Int32 = 141
}
