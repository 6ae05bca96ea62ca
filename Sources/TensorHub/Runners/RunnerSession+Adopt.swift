import BSON
import MongoDriver

/// Documents of other programs become tasks of ours.
extension RunnerSession {
    /// Foreign documents that are adopted by one statement.
    private static let adoptedAtOnce = 1000
    /// How often numbers that other tasks have are given anew.
    private static let renumberings = 8

    /// Adopts all that are there, each with a number, the oldest first. Returns how many.
    func adopt() async throws(MongoError) -> Int {
        var adopted = 0
        while true {
            let filter = TaskStatements.adoptFilter(project: hub.project)
            let options = FindOptions(projection: ["_id": 1], limit: Self.adoptedAtOnce)
            let ids = try await hub.tasks.findAll(filter, options).compactMap { $0["_id"] }
            if ids.isEmpty { return adopted }
            let count = try await adopt(ids)
            adopted += count
            // Another runner was there first.
            if count == 0 || ids.count < Self.adoptedAtOnce { return adopted }
        }
    }

    private func adopt(_ ids: [BSONValue]) async throws(MongoError) -> Int {
        var filter = TaskStatements.adoptFilter(project: hub.project)
        filter.append("_id", ["$in": .array(ids)])
        var attempt = 0
        while true {
            let first = try await hub.reserveNumbers(ids.count)
            let pipeline = TaskStatements.adopt(ids, from: first)
            do throws(MongoError) {
                return try await hub.leavingRepeated(filter) { (filter) async throws(MongoError) in
                    try await hub.tasks.updateMany(filter, .pipeline(pipeline)).matched
                }
            } catch {
                let isTaken = error.writeErrors.contains { $0.code == Hub.duplicateKey }
                guard isTaken || error.code == .duplicateKey, attempt < Self.renumberings else { throw error }
            }
            attempt += 1
            try await hub.raiseNumbers()
        }
    }
}
