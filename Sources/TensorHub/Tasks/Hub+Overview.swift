import BSON
import MongoDriver

extension Hub {
    /// How the project stands, at one look.
    ///
    /// - Parameter window: How far back failures count.
    public func overview(failedWithin window: Duration = .seconds(86_400)) async throws(HubError) -> ProjectOverview {
        try await expectIndexes()
        let time = try await serverTime()
        let begin = time.millisecondsSince1970 - Int64(window / .milliseconds(1))
        let failures = try await failures(since: BSONDateTime(millisecondsSince1970: begin))
        return ProjectOverview(
            counts: try await quickCounts(),
            running: try await findTasks(
                TaskSelection(statuses: [.running]),
                sort: .ascending("hub.started"),
                limit: ProjectOverview.listed
            ),
            failures: Self.grouped(failures),
            isFailureCountCapped: failures.count >= ProjectOverview.examined,
            runners: try await findRunners(),
            oldest: try await oldestWaiting(),
            time: time
        )
    }

    /// By the keys of an index alone, whatever the number of tasks.
    private func quickCounts() async throws(HubError) -> [TaskStatus: Int] {
        var counts: [TaskStatus: Int] = [:]
        for status in TaskStatus.all {
            let command: BSONDocument = [
                "count": .string(tasks.name),
                "query": ["project_name": .string(project), "status": .string(status.rawValue)],
            ]
            let reply = try await translatingErrors { () async throws(MongoError) in
                try await database.runCommand(command)
            }
            counts[status] = reply["n"]?.intValue ?? 0
        }
        return counts
    }

    private func failures(since time: BSONDateTime) async throws(HubError) -> [TaskRecord] {
        let recent = Filter(["hub.ended": ["$gte": .dateTime(time)]])
        return try await findTasks(
            TaskSelection(statuses: [.failed], filter: recent),
            sort: .descending("hub.ended"),
            limit: ProjectOverview.examined,
            projection: ["hub.error": 1, "hub.number": 1]
        )
    }

    private static func grouped(_ tasks: [TaskRecord]) -> [ProjectOverview.Failures] {
        var groups: [ByteString: ProjectOverview.Failures] = [:]
        for task in tasks {
            guard let id = task.id else { continue }
            let reason = task.error?.reason ?? "nobody said why"
            // The latest comes first.
            groups[reason.bytes, default: .init(reason: reason, count: 0, latest: id, number: task.number)].count += 1
        }
        return groups.values.sorted { ($1.count, $1.latest) < ($0.count, $0.latest) }
    }

    /// Of each kind of waiting the first in line, by the index of claims; of these the oldest.
    private func oldestWaiting() async throws(HubError) -> TaskExplanation? {
        var oldest: TaskRecord?
        for mark in TaskStatements.marks {
            let filter: BSONDocument = [
                "project_name": .string(project), "status": TaskStatements.pending, "hub.ready": mark,
            ]
            let options = FindOptions(sort: TaskStatements.claimOrder, projection: ["time": 1])
            let found = try await translatingErrors { () async throws(MongoError) in
                try await tasks.findOne(filter, options).map(TaskRecord.init)
            }
            guard let time = found?.time else { continue }
            if oldest?.time.map({ time < $0 }) ?? true { oldest = found }
        }
        guard let id = oldest?.id else { return nil }
        do { return try await explain(id) } catch {
            // Deleted meanwhile.
            if error.code == .notFound { return nil }
            throw error
        }
    }
}
