package import BSON

/// How an attempt ended, in the form in which it is delivered.
package struct AttemptEnd: Sendable {
    package enum Transition: Sendable {
        case finish(result: BSONDocument)
        case fail(TaskFailure)
        /// Back to pending after the delay, counted. `avoiding`: not on the runner of that name again.
        case retry(TaskFailure, delay: Duration, avoiding: String? = nil)
        /// Back to pending at once, not counted, for runners of other machines.
        case elsewhere(TaskFailure, HostLack)
        /// Back to pending, not counted as a failure, claimable again after the delay.
        case release(delay: Duration?)
        case cancelled
        /// Nobody knows how it went: the supervisor or the machine was lost. Back to pending, `failed` after the fifth
        /// time.
        case lost(TaskFailure)
        /// As little as possible, for a document that has no room left: `failed`, the lease gone.
        case minimalFailure
    }

    /// What became of the delivery of an end.
    package enum Outcome: Sendable, Equatable {
        /// The task has it.
        case accepted
        /// Another attempt exists, or the task was ended otherwise: it does not count.
        case leaseLost
        /// MongoDB cannot store it, a result that is too large: deliver a failure instead.
        case refused(String)
    }

    package var id: AttemptID
    package var transition: Transition
    /// The word for the history.
    package var cause: String
    package var exit: Int32?
    package var signal: Int32?
    /// Bytes.
    package var peakMemory: Int64?
    /// Bytes that the script printed and that found no room on the disk.
    package var outputLost: Int64
    /// Entries, data sets, models and checkpoints that the script saved and MongoDB did not take.
    package var refused = 0
    /// Hyper-parameters that the script has no use for.
    package var unused: [String]

    package init(
        _ id: AttemptID,
        transition: Transition,
        cause: String,
        exit: Int32? = nil,
        signal: Int32? = nil,
        peakMemory: Int64? = nil,
        outputLost: Int64 = 0,
        unused: [String] = []
    ) {
        self.id = id
        self.transition = transition
        self.cause = cause
        self.exit = exit
        self.signal = signal
        self.peakMemory = peakMemory
        self.outputLost = outputLost
        self.unused = unused
    }

    package var status: TaskStatus {
        switch transition {
        // A task that was lost for the last time is failed by the server, which alone knows the count.
        case .finish: .finished
        case .fail, .minimalFailure: .failed
        case .retry, .elsewhere, .release, .lost: .pending
        case .cancelled: .cancelled
        }
    }

    /// What the end adds to the attempt's entry in the history.
    var historyEntry: BSONDocument {
        var entry: BSONDocument = ["end": "$$NOW", "cause": ["$literal": .string(cause)]]
        if let exit { entry.append("exit", .int32(exit)) }
        if let signal { entry.append("signal", .int32(signal)) }
        if let peakMemory { entry.append("peak_memory", .int64(peakMemory)) }
        if outputLost > 0 { entry.append("output_lost", .int64(outputLost)) }
        if refused > 0 { entry.append("refused", .init(smallest: refused)) }
        if !unused.isEmpty { entry.append("unused", ["$literal": .array(unused.map(BSONValue.string))]) }
        return entry
    }
}
