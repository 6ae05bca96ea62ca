package import BSON
package import TensorHub

/// All that is needed to run one attempt: what the claim gave, ready to be laid out on disk.
package struct AttemptPlan: Sendable {
    package var id: AttemptID
    /// Marks the processes of this attempt, and of no other.
    package var token: ObjectID
    /// Who holds the lease: with the attempt's number it fences what is delivered.
    package var runner = ObjectID()
    /// The task for `task.json`, without `script` and the bytes of `hub.files`.
    package var task: BSONDocument
    package var taskName: String?
    package var project: String
    /// In the words of `Hub.identity()`.
    package var database = ""
    package var script: [UInt8]
    /// What its file was called where it was submitted.
    package var scriptName: String?
    package var hyperParameters: BSONDocument = [:]
    package var savedResultKeys: [String] = []
    /// What follows the script on its command line, hyper-parameters filled in.
    package var arguments: [String] = []
    /// The program that is the task, likewise; empty where a script is.
    package var command: [String] = []
    /// As the task has them.
    package var options = TaskOptions()
    /// From SIGTERM to SIGKILL when the script is stopped: the runner's, where the task does not say.
    package var grace = RunnerOptions.defaultGrace
    /// Bytes of output kept on disk; the middle is given up first.
    package var outputLimit = Int64(RunnerOptions.defaultOutputLimit)
    /// Where the script API listens; `nil` where there is none.
    package var socketPath: String?
}
