import BSON
import MongoDriver
import TensorHub

extension Hub {
    /// One task, without the parts that the projection leaves out.
    func task(_ id: ObjectID, projection: BSONDocument) async throws(HubError) -> TaskRecord {
        let found = try await findTasks(.ids([id]), sort: .oldest, limit: 1, projection: projection)
        guard let task = found.first else {
            throw HubError(.notFound, "no task \(id) in project '\(project)' of database '\(database.name)'")
        }
        return task
    }
}
