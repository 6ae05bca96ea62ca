public import BSON
import MongoDriver

extension Hub {
    /// Creates one task and returns its identifier.
    ///
    /// TensorLayer: `create_task`, which returned nothing.
    @discardableResult
    public func createTask(_ spec: TaskSpec) async throws(HubError) -> ObjectID {
        try await createTasks([spec])[0]
    }

    /// Creates many tasks in one round trip (several, where they exceed 48 MB), and returns their identifiers in order.
    ///
    /// Every task is checked before the first is written. `time` is the server's clock.
    ///
    /// - Throws: `HubError.invalidInput` naming the field and, for several tasks, which of them; nothing was written.
    @discardableResult
    public func createTasks(_ specs: [TaskSpec]) async throws(HubError) -> [ObjectID] {
        if specs.isEmpty { return [] }
        for (index, spec) in specs.enumerated() {
            do {
                try spec.validate(after: index > 0 ? specs[index - 1] : nil)
            } catch {
                throw specs.count == 1 ? error : Self.locate(error, index: index)
            }
        }
        try await ensureIndexes()
        let time = try await translatingErrors { () async throws(MongoError) in try await clock.now() }
        var ids: [ObjectID] = []
        var documents: [BSONDocument] = []
        ids.reserveCapacity(specs.count)
        documents.reserveCapacity(specs.count)
        var hub = specs[0].hubDocument()
        for (index, spec) in specs.enumerated() {
            let id = ObjectID()
            if index > 0, !spec.sharesHub(with: specs[index - 1]) { hub = spec.hubDocument() }
            do {
                documents.append(try spec.document(id: id, project: project, time: time, hub: hub))
            } catch {
                throw specs.count == 1 ? error : Self.locate(error, index: index)
            }
            ids.append(id)
        }
        do {
            _ = try await tasks.insertMany(documents)
        } catch {
            throw try await inserted(documents.count, ids, after: error)
        }
        return ids
    }

    /// After a lost reply some or all may be there: says how many, so that nobody submits them twice.
    private func inserted(_ count: Int, _ ids: [ObjectID], after error: MongoError) async throws(HubError) -> HubError {
        var failure = HubError(error)
        let filter: BSONDocument = ["_id": ["$in": .array(ids.map(BSONValue.objectID))]]
        if let stored = try? await tasks.countDocuments(filter), stored > 0 {
            failure.message += "; \(stored) of the \(count) tasks were created nevertheless"
        }
        return failure
    }

    private static func locate(_ error: HubError, index: Int) -> HubError {
        var located = error
        located.message = "task \(index + 1): \(error.message)"
        return located
    }
}
