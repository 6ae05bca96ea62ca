import BSON
import Console
import TensorHub

/// The hyper-parameters of the tasks behind the entries of a log.
struct LogParameters {
    static let prefix: ByteString = "parameter."

    private var columns = Columns()
    private var values: [ObjectID: BSONDocument] = [:]

    /// Tasks that are asked for at once.
    private static let batch = 1000

    init(_ kind: LogKind, _ filter: Filter, _ hub: Hub) async throws {
        var seen: Set<ObjectID> = []
        var ids: [ObjectID] = []
        try await hub.forEachLog(kind, filter, fields: ["hub"]) { entry in
            if let id = entry.document.value(atPath: "hub.task")?.objectIDValue, seen.insert(id).inserted {
                ids.append(id)
            }
        }
        for start in stride(from: 0, to: ids.count, by: Self.batch) {
            let some = Array(ids[start..<min(ids.count, start + Self.batch)])
            let projection: BSONDocument = ["hyper_parameters": 1]
            for task in try await hub.findTasks(.ids(some), sort: .oldest, limit: nil, projection: projection) {
                if let id = task.id { values[id] = task.hyperParameters ?? [:] }
            }
        }
        for id in ids { for (key, _) in (values[id] ?? [:]).flattened { columns.insert(key) } }
    }

    var titles: [String] { columns.names.map { Self.prefix.text + $0 } }

    /// Empty where the task is gone, or the entry of none.
    func cells(_ entry: LogEntry) -> [BSONValue?] { columns.cells(document(entry).flattened) }

    /// The entry with one field more. A value of the user's of that name stays as it is.
    func added(to entry: LogEntry) -> BSONDocument {
        var document = entry.document
        if document["hyper_parameters"] == nil { document.append("hyper_parameters", .document(self.document(entry))) }
        return document
    }

    private func document(_ entry: LogEntry) -> BSONDocument {
        entry.origin.flatMap { values[$0.task] } ?? [:]
    }
}
