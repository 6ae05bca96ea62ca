import BSON
import TensorHub

extension AttemptPlan {
    /// Reads a claimed task.
    ///
    /// - Throws: `HubError.invalidInput` naming the field that makes it impossible to run.
    init(
        _ task: TaskRecord,
        _ id: AttemptID,
        token: ObjectID,
        _ context: AttemptContext
    ) throws(HubError) {
        guard let script = task.script, !script.isEmpty else {
            throw HubError(
                .invalidInput,
                field: "script",
                "the task cannot be run: script must be binary and not empty"
            )
        }
        self.init(
            id,
            token: token,
            runner: context.runner,
            task: task.withoutBlobs,
            taskName: task.name,
            project: context.queries.project,
            database: context.database,
            script: script,
            interpreter: task.interpreter,
            hyperParameters: task.hyperParameters ?? [:],
            savedResultKeys: task.savedResultKeys ?? [],
            files: try task.files(),
            timeout: task.timeout,
            stall: task.stall,
            grace: task.grace ?? context.options.grace,
            outputLimit: Int64(context.options.outputLimit)
        )
    }
}
