public import BSON
import MongoDriver

extension Hub {
    /// Creates one task and returns its identifier.
    ///
    /// TensorLayer: `create_task`, which returned nothing.
    ///
    /// - Parameter account: Who creates it, for the record.
    @discardableResult
    public func createTask(_ spec: TaskSpec, by account: String? = nil) async throws(HubError) -> ObjectID {
        try await createTasks([spec], by: account)[0]
    }

    /// Creates many tasks in one round trip (several, where they exceed 48 MB), and returns their identifiers in order.
    ///
    /// Every task is checked before the first is written. `time` is the server's clock. Each gets a number; they
    /// ascend.
    ///
    /// - Parameter account: Who creates them, for the record: the name of an account, never a secret.
    /// - Throws: `HubError.invalidInput` naming the field and, for several tasks, which of them; nothing was written.
    @discardableResult
    public func createTasks(_ specs: [TaskSpec], by account: String? = nil) async throws(HubError) -> [ObjectID] {
        try await submitTasks(specs, by: account).map(\.id)
    }

    /// The same, with the numbers that the tasks have got.
    @discardableResult
    public func submitTasks(_ specs: [TaskSpec], by account: String? = nil) async throws(HubError) -> [CreatedTask] {
        if specs.isEmpty { return [] }
        try Self.check(specs)
        var submission = try await submission(of: specs.count, by: account)
        return try await createTasks(specs, in: &submission)
    }

    /// Begins a submit of tasks that are created in several calls: their numbers are reserved at once.
    package func submission(of count: Int, by account: String?) async throws(HubError) -> Submission {
        if let account, account.isEmpty || account.utf8.count > Self.longestAccount {
            throw .invalid(
                "account",
                "account: the name has \(account.utf8.count) bytes; it must have from 1 to \(Self.longestAccount)"
            )
        }
        // The unique index comes before the first number.
        try await ensureIndexes()
        let first = try await translatingErrors { () async throws(MongoError) in try await reserveNumbers(count) }
        return Submission(first: first, count: count, account: account)
    }

    /// Bytes.
    private static let longestAccount = 256

    /// Creates the next tasks of a submit.
    package func createTasks(
        _ specs: [TaskSpec],
        in submission: inout Submission
    ) async throws(HubError) -> [CreatedTask] {
        if specs.isEmpty { return [] }
        try Self.check(specs)
        let time = try await translatingErrors { () async throws(MongoError) in try await clock.now() }
        var batch = TaskBatch(submission)
        batch.reserveCapacity(specs.count)
        var hub = specs[0].hubDocument()
        for (index, spec) in specs.enumerated() {
            if index > 0, !spec.sharesHub(with: specs[index - 1]) { hub = spec.hubDocument() }
            do {
                try batch.add(spec, hub: hub, project: project, time: time)
            } catch {
                throw specs.count == 1 ? error : Self.locate(error, index: index)
            }
        }
        try await insert(&batch)
        submission = batch.submission
        return batch.created
    }

    private static func check(_ specs: [TaskSpec]) throws(HubError) {
        for (index, spec) in specs.enumerated() {
            do {
                try spec.validate(after: index > 0 ? specs[index - 1] : nil)
            } catch {
                throw specs.count == 1 ? error : Self.locate(error, index: index)
            }
        }
    }

    /// How often numbers are given anew: others may count at the same time from below.
    private static let renumberings = 8

    private func insert(_ batch: inout TaskBatch) async throws(HubError) {
        var renumbered = 0
        while let error = await refusal(of: batch) {
            let isMended =
                try await translatingErrors { () async throws(MongoError) in
                    guard renumbered < Self.renumberings else { return false }
                    return try await renumber(&batch, after: error)
                }
            if !isMended { throw await inserted(batch, after: error) }
            renumbered += 1
        }
    }

    private func refusal(of batch: TaskBatch) async -> MongoError? {
        do {
            _ = try await tasks.insertMany(batch.open)
            return nil
        } catch {
            return error
        }
    }

    /// Where other tasks have the numbers, as with a counter that was lost or is older than they: gives others, also to
    /// those that are stored already.
    ///
    /// - Returns: Whether the batch can be inserted again.
    private func renumber(_ batch: inout TaskBatch, after error: MongoError) async throws(MongoError) -> Bool {
        guard error.writeErrors.contains(where: { $0.code == Self.duplicateKey }) else { return false }
        let missing = Set(try await missingTasks(batch.open.compactMap { $0["_id"] }))
        batch.close { !missing.contains($0) }
        guard let numbers = batch.openNumbers, try await isTaken(numbers) else { return false }
        try await raiseNumbers()
        let stored = batch.renumber(from: try await reserveNumbers(batch.size))
        let changes = stored.compactMap { task in
            task.number.map { number -> UpdateStatement in
                let fields: BSONDocument = [
                    "hub.number": .int64(Int64(number)), "hub.submit": .int64(Int64(batch.submission.id ?? number)),
                ]
                return UpdateStatement(
                    filter: ["_id": .objectID(task.id)],
                    update: .document(["$set": .document(fields)])
                )
            }
        }
        if !changes.isEmpty { _ = try await tasks.bulkUpdate(changes) }
        return true
    }

    /// After a lost reply some or all may be there: says how many, so that nobody submits them twice.
    private func inserted(_ batch: TaskBatch, after error: MongoError) async -> HubError {
        var failure = HubError(error)
        let ids = batch.created.map { BSONValue.objectID($0.id) }
        if let stored = try? await tasks.countDocuments(["_id": ["$in": .array(ids)]]), stored > 0 {
            failure.message += "; \(stored) of the \(ids.count) tasks were created nevertheless"
        }
        return failure
    }

    private static func locate(_ error: HubError, index: Int) -> HubError {
        var located = error
        located.message = "task \(index + 1): \(error.message)"
        return located
    }
}
