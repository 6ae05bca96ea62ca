import BSON
import Console
import TensorHub

/// Tasks as rows for people: of `tensorhub ls`, and those that a runner has.
enum TaskTable {
    /// What is told elsewhere too is left out first where the terminal is narrow.
    ///
    /// - Parameter hasHosts: Whether it is told where they ran.
    static func of(_ tasks: [TaskRecord], _ ids: IDOptions, now: BSONDateTime, hasHosts: Bool = true) -> Table {
        let hosts = hasHosts ? tasks.map { $0.history.last?.machine } : []
        let isShown = hosts.contains { $0 != nil }
        var table = Table(
            [.init("ID"), .init("NAME", isName: true), StateColour.column("STATUS")]
                + (isShown ? [.init("HOST", isName: true, rank: 2)] : [])
                + [
                    .init("ATTEMPT", isRightAligned: true, rank: 5), .init("AGE", isRightAligned: true, rank: 3),
                    .init("DURATION", isRightAligned: true, rank: 4),
                    .init("HYPER-PARAMETERS", isElastic: true, rank: 1), .init("RESULT", isElastic: true),
                ]
        )
        table.rows = tasks.enumerated().map { index, task in
            [ids.text(task), task.name ?? "", task.state] + (isShown ? [hosts[index] ?? ""] : [])
                + [
                    String(task.attempt), task.time.map { now.since($0).shortText } ?? "",
                    task.duration(now: now)?.shortText ?? "", task.hyperParameters?.tableText ?? "",
                    task.status == .failed ? task.error?.reason ?? "" : task.result.tableText,
                ]
        }
        return table
    }
}
