import BSON
package import MongoDriver

/// The queue as a runner keeps it in order and watches it.
extension RunnerSession {
    /// Makes foreign documents ours, those ready whose time has come, and those failed that waited past their deadline.
    /// Returns how many it changed.
    package func adoptAndPromote() async throws(HubError) -> Int {
        try await translatingErrors { () async throws(MongoError) in
            let now = try await hub.clock.now()
            let horizon = BSONDateTime(millisecondsSince1970: now.millisecondsSince1970 + 1000)
            let foreign = TaskStatements.adoptFilter(project: hub.project)
            let large = TaskStatements.failLargeFilter(project: hub.project, ready: false)
            let expire = TaskStatements.expireFilter(project: hub.project, horizon: horizon)
            let promotions = (1...TaskStatements.version).map { version in
                UpdateStatement(
                    filter: TaskStatements.promoteFilter(project: hub.project, horizon: horizon, version: version),
                    update: .document(TaskStatements.promote(version: version)),
                    multi: true
                )
            }
            // One message: an idle runner sends little else. Operators alone: they cost less than pipelines.
            let result = try await hub.tasks.bulkUpdate(
                [
                    UpdateStatement(filter: foreign, update: .document(TaskStatements.noticeForeign)),
                    UpdateStatement(filter: large, update: .document(TaskStatements.failLarge), multi: true),
                    UpdateStatement(filter: expire, update: .document(TaskStatements.expire), multi: true),
                ] + promotions
            )
            if let error = result.writeErrors.first {
                throw MongoError(.write, error.message, serverCode: error.code, writeErrors: result.writeErrors)
            }
            // What the others match they change.
            return result.modified + (result.matched > result.modified ? try await adopt() : 0)
        }
    }

    /// What a runner must hear of: new tasks of the project, tasks that became pending again, requests to cancel. An
    /// event has `documentKey`, `foreign` (an insert that needs adopting), `cancelled` and, of an insert, `version`,
    /// never a script.
    package func watchQueue() -> ChangeStream {
        let cancelled: BSONValue = [
            "$ne": [
                ["$type": ["$getField": ["field": "hub.cancel", "input": "$updateDescription.updatedFields"]]],
                "missing",
            ]
        ]
        return hub.tasks.watch(
            [
                [
                    "$match": [
                        "$or": [
                            ["operationType": "insert", "fullDocument.project_name": .string(hub.project)],
                            ["updateDescription.updatedFields.status": "pending"],
                            ["operationType": "update", "$expr": cancelled],
                        ]
                    ]
                ],
                [
                    "$project": [
                        "documentKey": 1,
                        "cancelled": ["$and": [["$eq": ["$operationType", "update"]], cancelled]],
                        "foreign": [
                            "$and": [
                                ["$eq": ["$operationType", "insert"]],
                                ["$not": [["$in": ["$fullDocument.hub.ready", .array(TaskStatements.marks)]]]],
                            ]
                        ],
                        "version": "$fullDocument.hub.v",
                    ]
                ],
            ],
            ChangeStreamOptions(maxAwaitTime: Hub.longAwait)
        )
    }

    /// A pending task that needs a newer version of this library, if there is one. Those without the mark in
    /// `hub.ready` are looked for no longer than a second.
    package func findNewerTask() async throws(HubError) -> TaskRecord? {
        let filter: BSONDocument = [
            "project_name": .string(hub.project), "status": TaskStatements.pending,
            "$or": [
                ["hub.ready": TaskStatements.isMarkedNewer],
                ["hub.ready": TaskStatements.isReady, "hub.v": TaskStatements.newer],
            ],
        ]
        let options = FindOptions(projection: ["hub.v": 1, "hub.ready": 1], maxTime: .seconds(1))
        return try await translatingErrors { () async throws(MongoError) in
            try await hub.tasks.findOne(filter, options).map(TaskRecord.init)
        }
    }
}
