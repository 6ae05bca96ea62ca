import BSON
import TensorHub

extension AttemptPlan {
    /// Reads a claimed task.
    ///
    /// - Throws: `HubError.invalidInput` naming the field that makes it impossible to run.
    init(
        _ task: TaskRecord,
        attempt: Int,
        token: ObjectID,
        runner: ObjectID,
        hub: Hub,
        database: String,
        options: RunnerOptions
    ) throws(HubError) {
        guard let id = task.id, let number = Int32(exactly: attempt) else {
            throw HubError(.invalidInput, field: "_id", "the task cannot be run: _id must be an ObjectId")
        }
        guard let script = task.script, !script.isEmpty else {
            throw HubError(
                .invalidInput,
                field: "script",
                "the task cannot be run: script must be binary and not empty"
            )
        }
        self.init(
            taskID: id,
            attempt: number,
            token: token,
            runner: runner,
            task: task.withoutBlobs,
            taskName: task.name,
            project: hub.project,
            database: database,
            script: script,
            interpreter: task.interpreter,
            hyperParameters: task.hyperParameters ?? [:],
            savedResultKeys: task.savedResultKeys ?? [],
            files: try task.files().map { AttemptFile(path: $0.path, mode: $0.mode, data: $0.data) },
            timeout: task.timeout,
            stall: task.stall,
            grace: task.grace ?? options.grace,
            outputLimit: Int64(options.outputLimit)
        )
    }
}
