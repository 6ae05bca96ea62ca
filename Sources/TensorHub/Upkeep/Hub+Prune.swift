import BSON
import MongoDriver

/// Retention.
extension Hub {
    /// Deletes what is old, in an order in which each step knows what the one before has kept: models, data sets,
    /// tasks, logs. Never touched: tasks that are pending or running; a model that holds a stage; a data set in the
    /// lineage of a kept model, by identifier or by content; the task that made a kept model or data set; log entries
    /// of a task that is there.
    ///
    /// - Parameter dryRun: Deletes nothing and reports what would be.
    public func prune(_ retention: Retention, dryRun: Bool = false) async throws(HubError) -> PruneReport {
        try retention.validate()
        var prune = try await Prune(hub: self, retention: retention, dryRun: dryRun)
        for kind in [Retention.Kind.models, .dataSets, .tasks, .logs] where retention.kinds.contains(kind) {
            switch kind {
            case .models: try await prune.models()
            case .dataSets: try await prune.dataSets()
            case .tasks: try await prune.tasks()
            case .logs: try await prune.logs()
            }
        }
        return prune.report
    }
}

/// One run of it.
private struct Prune {
    let hub: Hub
    let retention: Retention
    let dryRun: Bool
    /// Written or ended before; `nil` means any time.
    let cutoff: BSONDateTime?
    var report = PruneReport()
    /// Models and data sets that go, which a dry run still sees.
    private var gone: Set<ObjectID> = []
    private var goneTasks: Set<ObjectID> = []

    private static let batch = 1000

    init(hub: Hub, retention: Retention, dryRun: Bool) async throws(HubError) {
        self.hub = hub
        self.retention = retention
        self.dryRun = dryRun
        guard let age = retention.olderThan else {
            cutoff = nil
            return
        }
        let milliseconds = max(0, min(age / .milliseconds(1), 1e15))
        let now = try await hub.serverTime()
        cutoff = BSONDateTime(millisecondsSince1970: now.millisecondsSince1970 - Int64(milliseconds))
    }

    // MARK: Models and data sets

    mutating func models() async throws(HubError) {
        let stages = Dictionary(
            try await hub.stages(name: retention.name).map { ($0.model, $0.stage) },
            uniquingKeysWith: { first, _ in first }
        )
        for batch in try await candidates(.models) {
            var going: [ModelRecord] = []
            for model in batch.map(ModelRecord.init) {
                guard let id = model.id else { continue }
                if let stage = stages[id] {
                    keep(.models, id, model.name, model.version, "holds stage '\(stage)'")
                } else {
                    going.append(model)
                }
            }
            var deleted = going
            if !dryRun {
                deleted = []
                // One by one where one of them was given a stage meanwhile.
                if try await delete(going) {
                    deleted = going
                } else {
                    for model in going {
                        if try await delete([model]) {
                            deleted.append(model)
                        } else if let id = model.id {
                            keep(.models, id, model.name, model.version, "holds a stage")
                        }
                    }
                }
            }
            gone.formUnion(deleted.compactMap(\.id))
            report.models += deleted
            report.counts[.models, default: 0] += deleted.count
        }
    }

    /// - Returns: Whether they are deleted; `false` where one holds a stage.
    private func delete(_ models: [ModelRecord]) async throws(HubError) -> Bool {
        if models.isEmpty { return true }
        do {
            try await hub.deleteModels(ContentQuery(filter: Self.oneOf(models.compactMap(\.id))))
            return true
        } catch {
            if error.code == .wrongState { return false }
            throw error
        }
    }

    mutating func dataSets() async throws(HubError) {
        for batch in try await candidates(.dataSets) {
            let records = batch.map(DataSetRecord.init)
            let used = try await hub.dataSetsOfModels(records, except: gone)
            let going = records.filter { record in record.id.map { used[$0] == nil } ?? false }
            for record in records {
                guard let id = record.id, let model = used[id] else { continue }
                let version = model.version.map { " version \($0)" } ?? ""
                keep(.dataSets, id, record.name, record.version, "made model '\(model.name ?? "")'\(version)")
            }
            if !dryRun, !going.isEmpty {
                try await hub.deleteDataSets(ContentQuery(filter: Self.oneOf(going.compactMap(\.id))))
            }
            gone.formUnion(going.compactMap(\.id))
            report.dataSets += going
            report.counts[.dataSets, default: 0] += going.count
        }
    }

    /// Those that are old enough and not among the newest of their name, without their files.
    private func candidates(_ collection: ContentCollection) async throws(HubError) -> [[BSONDocument]] {
        let query = ContentQuery(name: retention.name, filter: Filter(["hub.v": TaskStatements.known]))
        let found = try await translatingErrors { () async throws(MongoError) in
            try await hub.collection(collection).findAll(
                collection.filter(query, project: hub.project),
                FindOptions(
                    sort: [collection.nameField: 1, "hub.version": -1, "time": -1, "_id": -1],
                    projection: ["hub.files": 0, "architecture": 0]
                )
            )
        }
        var counts: [ByteString: Int] = [:]
        let old = found.filter { document in
            let name = (document[collection.nameField]?.stringValue ?? "").bytes
            counts[name, default: 0] += 1
            if counts[name, default: 0] <= retention.keeping { return false }
            guard let cutoff else { return true }
            return document["time"]?.dateTimeValue.map { $0 < cutoff } ?? false
        }
        return stride(from: 0, to: old.count, by: Self.batch).map { Array(old[$0..<min($0 + Self.batch, old.count)]) }
    }

    private static func oneOf(_ ids: [ObjectID]) -> Filter { FieldPath("_id").isIn(ids.map(BSONValue.objectID)) }

    private mutating func keep(
        _ kind: Retention.Kind,
        _ id: ObjectID,
        _ name: String?,
        _ version: Int?,
        _ reason: String
    ) {
        report.kept.append((kind, id, name ?? "", version, reason))
    }

    // MARK: Tasks

    mutating func tasks() async throws(HubError) {
        let statuses = retention.statuses.map { BSONValue.string($0.rawValue) }
        var conditions: [BSONValue] = [
            [
                "project_name": .string(hub.project), "status": TaskSelection.oneOf(statuses),
                "hub.v": TaskStatements.known,
            ]
        ]
        if let name = retention.name { conditions.append(["task_name": .string(name)]) }
        if let cutoff {
            let old: BSONValue = ["$lt": .dateTime(cutoff)]
            // One of TensorLayer's does not tell when it ended.
            conditions.append(["$or": [["hub.ended": old], ["hub.ended": ["$exists": false], "time": old]]])
        }
        var last: BSONValue?
        while true {
            let place = last.map { [["_id": ["$gt": $0]]] as [BSONValue] } ?? []
            let filter: BSONDocument = ["$and": .array(conditions + place)]
            let batch = try await translatingErrors { () async throws(MongoError) in
                try await hub.tasks.findAll(
                    filter,
                    FindOptions(sort: ["_id": 1], projection: ["task_name": 1], limit: Self.batch)
                ).map(TaskRecord.init)
            }
            guard let end = batch.last?.document["_id"] else { return }
            last = end
            let makers = try await makers(batch.compactMap(\.id))
            var going: [ObjectID] = []
            for task in batch {
                guard let id = task.id else { continue }
                if let made = makers[id] { keep(.tasks, id, task.name, nil, "made \(made)") } else { going.append(id) }
            }
            if going.isEmpty { continue }
            if dryRun {
                goneTasks.formUnion(going)
                report.counts[.tasks, default: 0] += going.count
            } else {
                // Retried by hand meanwhile, it is none of these states and stays, with its log.
                let selection = TaskSelection(ids: going, statuses: retention.statuses)
                report.counts[.tasks, default: 0] += try await hub.deleteTasks(selection)
                going = try await hub.missingTasks(going)
            }
            if retention.kinds.contains(.logs), !going.isEmpty { try await logs(of: going) }
        }
    }

    /// Which of the tasks made a model or data set that is kept.
    private func makers(_ ids: [ObjectID]) async throws(HubError) -> [ObjectID: String] {
        let tasks: BSONValue = ["$in": .array(ids.map(BSONValue.objectID))]
        var result: [ObjectID: String] = [:]
        for collection in [ContentCollection.models, .dataSets] {
            let found = try await translatingErrors { () async throws(MongoError) in
                try await hub.collection(collection).findAll(
                    ["project_name": .string(hub.project), "hub.task": tasks],
                    FindOptions(projection: [collection.nameField: 1, "hub.task": 1, "hub.version": 1])
                )
            }
            for document in found where document["_id"]?.objectIDValue.map(gone.contains) != true {
                guard let task = document.value(atPath: "hub.task")?.objectIDValue else { continue }
                let version = document.value(atPath: "hub.version")?.intValue.map { " version \($0)" } ?? ""
                result[task] = "\(collection.noun) '\(document[collection.nameField]?.stringValue ?? "")'\(version)"
            }
        }
        return result
    }

    // MARK: Logs

    private mutating func logs(of tasks: [ObjectID]) async throws(HubError) {
        let filter: BSONDocument = [
            "project_name": .string(hub.project), "hub.task": ["$in": .array(tasks.map(BSONValue.objectID))],
        ]
        try await deleteLogs(filter)
    }

    /// Entries whose task is gone, or that have none. Where tasks are chosen by name or state, only those of pruned
    /// tasks go, with these.
    mutating func logs() async throws(HubError) {
        let isByTask = retention.name != nil || Set(retention.statuses) != Set([.finished, .failed, .cancelled])
        if isByTask { return }
        var old: BSONDocument = ["project_name": .string(hub.project)]
        if let cutoff { old.append("time", ["$lt": .dateTime(cutoff)]) }
        for kind in LogKind.allCases {
            let collection = hub.durable(kind.collectionName)
            var filter = old
            filter.append("hub.task", ["$exists": false])
            try await deleteLogs(filter, in: [collection])
            let pipeline: [BSONDocument] = [
                ["$match": .document(old)], ["$match": ["hub.task": ["$type": "objectId"]]],
                ["$group": ["_id": "$hub.task"]],
            ]
            let tasks = try await translatingErrors { () async throws(MongoError) in
                try await collection.aggregateAll(pipeline, AggregateOptions(allowDiskUse: true))
            }.compactMap { $0["_id"]?.objectIDValue }
            for start in stride(from: 0, to: tasks.count, by: Self.batch) {
                // The entries of tasks that a dry run would delete are counted already.
                let batch = tasks[start..<min(start + Self.batch, tasks.count)].filter { !goneTasks.contains($0) }
                let missing = try await hub.missingTasks(batch)
                if missing.isEmpty { continue }
                var filter = old
                filter.append("hub.task", ["$in": .array(missing.map(BSONValue.objectID))])
                try await deleteLogs(filter, in: [collection])
            }
        }
    }

    private mutating func deleteLogs(_ filter: BSONDocument, in collections: [MongoCollection]? = nil)
        async throws(HubError)
    {
        for collection in collections ?? LogKind.allCases.map({ hub.durable($0.collectionName) }) {
            let dryRun = dryRun
            let count = try await translatingErrors { () async throws(MongoError) in
                try await dryRun ? collection.countDocuments(filter) : collection.deleteInPieces(filter)
            }
            report.counts[.logs, default: 0] += count
        }
    }
}
