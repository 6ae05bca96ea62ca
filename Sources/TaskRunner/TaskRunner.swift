enum TaskRunnerPlaceholder {}
