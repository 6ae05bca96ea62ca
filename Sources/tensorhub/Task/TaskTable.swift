import BSON
import Console
import TensorHub

/// Tasks as rows for people: of `tensorhub ls`, and those that a runner has.
enum TaskTable {
    static func of(_ tasks: [TaskRecord], _ ids: IDOptions, now: BSONDateTime) -> Table {
        var table = Table([
            .init("ID"), .init("NAME", isElastic: true), StateColour.column("STATUS"),
            .init("ATTEMPT", isRightAligned: true),
            .init("AGE", isRightAligned: true), .init("DURATION", isRightAligned: true),
            .init("HYPER-PARAMETERS", isElastic: true), .init("RESULT", isElastic: true),
        ])
        table.rows = tasks.map { task in
            [
                ids.text(task), task.name ?? "", task.state,
                String(task.attempt), task.time.map { now.since($0).shortText } ?? "",
                task.duration(now: now)?.shortText ?? "", task.hyperParameters?.tableText ?? "",
                task.status == .failed ? task.error?.reason ?? "" : task.result.tableText,
            ]
        }
        return table
    }
}
