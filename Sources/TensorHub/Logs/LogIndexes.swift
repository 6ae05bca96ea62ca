import BSON
import MongoDriver

/// The indexes of `TrainLog`, `ValidLog` and `TestLog`: the entries of a project by time, and those of a task by time.
enum LogIndexes {
    static let all: [IndexModel] = [
        IndexModel(name: "by_time", keys: ["project_name": 1, "time": 1, "_id": 1]),
        // Entries of other programs have no task: they cost the index nothing.
        IndexModel(
            name: "by_task",
            keys: ["hub.task": 1, "time": 1, "_id": 1],
            partialFilter: ["hub.task": ["$exists": true]]
        ),
    ]
}
