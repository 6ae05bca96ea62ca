import Console

/// The exit status that tells how tasks ended.
enum TaskOutcome {
    static func status(failed: Bool, cancelled: Bool) -> Int32 {
        if failed { return ExitStatus.tasksFailed }
        return cancelled ? ExitStatus.tasksCancelled : ExitStatus.done
    }
}
