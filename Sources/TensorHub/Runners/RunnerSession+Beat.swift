package import BSON
package import MongoDriver

/// The runner's own document.
extension RunnerSession {
    /// Writes a sign of life; makes the document at the first one. Returns it with what is asked of the runner.
    package func beat(_ beat: RunnerBeat) async throws(HubError) -> RunnerRecord? {
        let stored = try await translatingErrors { () async throws(MongoError) in
            let filter: BSONDocument = ["_id": .objectID(runner)]
            func beatOnce() async throws(MongoError) -> BSONDocument? {
                try await hub.runners.findAndModify(
                    filter,
                    .pipeline(RunnerStatements.beat(beat, of: self)),
                    projection: ["labels": 0, "query": 0, "running": 0],
                    upsert: true
                )
            }
            do throws(MongoError) {
                return try await beatOnce()
            } catch {
                guard Hub.isRepeatedKey(error.serverCode) else { throw error }
                // Somebody has written a key into it twice: it is this runner's own, and made anew.
                try await hub.runners.deleteOne(filter)
                return try await beatOnce()
            }
        }
        return stored.flatMap { RunnerRecord($0, silence: .zero, isLost: false) }
    }

    /// The runners of this name on that host, the one that started last at the end. A new one keeps to its pause.
    package func namesakes(on host: String) async throws(HubError) -> [RunnerRecord] {
        var filter = RunnerStatements.filter(project: hub.project)
        filter.append("host", .string(host))
        filter.append("name", .string(name))
        return try await hub.findRunners(filter).sorted { ($0.started ?? .distantPast) < ($1.started ?? .distantPast) }
    }

    /// Deletes what earlier runners of this name on that host have left, and documents that are a month old.
    ///
    /// - Parameter dead: Runners whose processes are known to be gone.
    package func forgetNamesakes(on host: String, dead: [ObjectID] = []) async throws(HubError) {
        let filter = RunnerStatements.outdated(by: self, host: host, dead: dead)
        _ = try await translatingErrors { () async throws(MongoError) in try await hub.runners.deleteMany(filter) }
    }

    /// Which of some runners say that they are, or were, on that host.
    package func runners(_ ids: [ObjectID], on host: String) async throws(HubError) -> Set<ObjectID> {
        let found = try await translatingErrors { () async throws(MongoError) in
            try await hub.runners.findAll(
                ["_id": ["$in": .array(ids.map(BSONValue.objectID))], "host": .string(host)],
                FindOptions(projection: ["_id": 1])
            )
        }
        return Set(found.compactMap { $0["_id"]?.objectIDValue })
    }

    /// An event whenever something new is asked of this runner.
    package func watchControl() -> ChangeStream {
        // The second request changes parts of the first, and the server names parts by their whole path.
        let nested: BSONValue = [
            "$getField": ["field": "control.time", "input": "$updateDescription.updatedFields"]
        ]
        return hub.runners.watch(
            [
                [
                    "$match": [
                        "operationType": "update", "documentKey._id": .objectID(runner),
                        "$or": [
                            ["updateDescription.updatedFields.control": ["$exists": true]],
                            ["$expr": ["$ne": [["$type": nested], "missing"]]],
                        ],
                    ]
                ],
                ["$project": ["documentKey": 1]],
            ],
            ChangeStreamOptions(maxAwaitTime: Hub.longAwait)
        )
    }
}
