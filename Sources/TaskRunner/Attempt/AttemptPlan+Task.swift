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
        runner: ObjectID,
        project: String,
        database: String,
        options: RunnerOptions
    ) throws(HubError) {
        guard let script = task.script, !script.isEmpty else {
            throw HubError(
                .invalidInput,
                field: "script",
                "the task cannot be run: script must be binary and not empty"
            )
        }
        let asked = try task.checkedOptions()
        let parameters = task.hyperParameters ?? [:]
        self.init(
            id: id,
            token: token,
            runner: runner,
            task: task.withoutBlobs,
            taskName: task.name,
            project: project,
            database: database,
            script: script,
            scriptName: task.scriptName,
            hyperParameters: parameters,
            savedResultKeys: task.savedResultKeys ?? [],
            arguments: try ArgumentTemplate.arguments(asked, parameters),
            command: try ArgumentTemplate.command(asked, parameters),
            options: asked,
            grace: asked.grace ?? options.grace,
            outputLimit: Int64(options.outputLimit)
        )
    }
}
