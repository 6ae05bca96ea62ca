import BSON
import MongoDriver

extension Hub {
    private var stageCollection: MongoCollection { durable("ModelStage") }

    private func stageID(_ stage: String, _ name: String) -> BSONValue {
        ["project": .string(project), "name": .string(name), "stage": .string(stage)]
    }

    /// Gives a stage to one version of a model, in one atomic step: whoever held it holds it no more.
    ///
    /// - Parameters:
    ///   - stage: As `candidate` or `production`; any word.
    ///   - query: Which version: `version`, or the newest.
    ///   - by: Who does it, for the record.
    /// - Returns: The model.
    /// - Throws: `HubError.notFound`.
    @discardableResult
    public func setStage(_ stage: String, of query: ContentQuery, by: String? = nil) async throws(HubError)
        -> ModelRecord
    {
        try Self.validate(stage: stage)
        try await ensureIndexes(ContentIndexes.stages, of: stageCollection)
        let model = try await findModel(query)
        guard let id = model.id, let name = model.name else {
            throw .invalid("name", "the model has no name or an id that is no objectId; it cannot hold a stage")
        }
        var entry: BSONDocument = ["model": .objectID(id)]
        if let version = model.version { entry.append("version", .init(smallest: version)) }
        if let by { entry.append("by", .string(by)) }
        let key = stageID(stage, name)
        try await upsertStage(key, entry)
        // Deleted meanwhile: a stage must not point to nothing.
        let still = try await translatingErrors { () async throws(MongoError) in
            try await collection(.models).findOne(["_id": .objectID(id)], FindOptions(projection: ["_id": 1]))
        }
        if still == nil {
            try await vacate(key, .objectID(id))
            throw HubError(
                .notFound,
                "model '\(name)' was deleted while it was to become '\(stage)'; choose another version"
            )
        }
        return model
    }

    /// - Parameter entry: The holder; empty for nobody. With the time it is the document, and the last entry of its
    ///   history.
    private static func pipeline(_ entry: BSONDocument) -> [BSONDocument] {
        let literal: BSONValue = ["$literal": .document(entry)]
        return TaskStatements.guardedAtTop([
            [
                "$replaceWith": [
                    "$mergeObjects": [
                        ["_id": "$_id"], literal,
                        [
                            "time": "$$NOW",
                            "history": [
                                "$slice": [
                                    [
                                        "$concatArrays": [
                                            ["$cond": [["$isArray": "$history"], "$history", []]],
                                            [["$mergeObjects": [literal, ["time": "$$NOW"]]]],
                                        ]
                                    ], .int32(-ModelStage.remembered),
                                ]
                            ],
                        ],
                    ]
                ]
            ]
        ])
    }

    /// Takes a stage from whoever holds it, which the document remembers.
    ///
    /// - Parameter holder: A condition on the model.
    /// - Returns: Whether one held it.
    @discardableResult
    private func vacate(_ key: BSONValue, _ holder: BSONValue) async throws(HubError) -> Bool {
        try await translatingErrors { () async throws(MongoError) in
            let held: BSONDocument = ["_id": key, "model": holder]
            let (matched, isUnsure) = try await stageCollection.updateMany(
                held,
                again: held,
                .pipeline(Self.pipeline([:]))
            )
            return matched > 0 || isUnsure
        }
    }

    private func upsertStage(_ key: BSONValue, _ entry: BSONDocument) async throws(HubError) {
        // An answer that is lost leaves a history of its own: the entry must not be made twice.
        let start = try await serverTime()
        for isLast in [false, false, false, true] {
            do throws(MongoError) {
                _ = try await stageCollection.findAndModify(["_id": key], .pipeline(Self.pipeline(entry)), upsert: true)
                return
            } catch {
                // Two that make the first document at the same time: one of them gets a duplicate key, once.
                let isRace = error.serverCode == 11000 || error.code == .duplicateKey
                let isLost = patience != nil && error.isOutcomeUnknown
                if isLast || !isRace && !isLost { throw HubError(error) }
                if isLost, try await isRecorded(entry, at: key, since: start) { return }
            }
        }
    }

    /// Whether the last entry of the history of a stage is that one. By the server's clock, a second early: its
    /// members' differ.
    private func isRecorded(_ entry: BSONDocument, at key: BSONValue, since start: BSONDateTime) async throws(HubError)
        -> Bool
    {
        let stored = try await translatingErrors { () async throws(MongoError) in
            try await stageCollection.findOne(["_id": key])
        }
        let last = stored?["history"]?.arrayValue?.last?.documentValue
        guard let last, let time = last["time"]?.dateTimeValue, last["model"] == entry["model"],
            last["by"] == entry["by"]
        else { return false }
        return time.millisecondsSince1970 >= start.millisecondsSince1970 - 1000
    }

    /// Takes a stage away, so that no version of that name holds it.
    ///
    /// - Returns: Whether one held it.
    @discardableResult
    public func unsetStage(_ stage: String, name: String) async throws(HubError) -> Bool {
        try Self.validate(stage: stage)
        return try await vacate(stageID(stage, name), ["$exists": true])
    }

    /// Who holds which stage, ordered by name.
    ///
    /// - Parameter name: Of that model alone.
    public func stages(name: String? = nil) async throws(HubError) -> [ModelStage] {
        // One without a model is nobody's at the moment.
        var filter: BSONDocument = ["_id.project": .string(project), "model": ["$exists": true]]
        if let name { filter.append("_id.name", .string(name)) }
        return try await translatingErrors { () async throws(MongoError) in
            try await stageCollection.findAll(filter, FindOptions(sort: ["_id": 1])).compactMap(ModelStage.init)
        }
    }

    /// - Parameter name: `nil` where only one name has that stage.
    /// - Throws: `HubError.notFound` with the stages that there are.
    func heldStage(_ stage: String, name: String?) async throws(HubError) -> ModelStage {
        try Self.validate(stage: stage)
        let all = try await stages(name: name)
        let held = all.filter { $0.stage.bytes == stage.bytes }
        if held.count == 1 { return held[0] }
        if held.count > 1 {
            let names = held.prefix(5).map { "'\($0.name)'" }.joined(separator: ", ")
            throw .invalid("name", "several models have a version that is '\(stage)': \(names); give the name")
        }
        let stages = all.map(\.stage).uniqueByBytes().sortedByBytes()
        var error = HubError(
            .notFound,
            field: "stage",
            "no version of \(name.map { "model '\($0)'" } ?? "any model") is '\(stage)'"
                + (stages.isEmpty ? "; set it first" : "; there is \(stages.map { "'\($0)'" }.joined(separator: ", "))")
        )
        error.suggestions = NearNames.of(stage, among: stages)
        // A name that is not there at all is the likelier mistake.
        if let name, all.isEmpty, try await findModels(ContentQuery(name: name), limit: 1).isEmpty {
            error = try await missing(ContentQuery(name: name), in: .models)
        }
        throw error
    }

    /// After a deletion: stages whose model is gone are nobody's.
    func dropStagesOfMissingModels() async throws(HubError) {
        let held = try await stages()
        if held.isEmpty { return }
        let ids = BSONValue.array(held.map { .objectID($0.model) })
        let present = try await translatingErrors { () async throws(MongoError) in
            try await collection(.models).findAll(["_id": ["$in": ids]], FindOptions(projection: ["_id": 1]))
        }
        let there = Set(present.compactMap { $0["_id"]?.objectIDValue })
        for stage in held where !there.contains(stage.model) {
            try await vacate(stageID(stage.stage, stage.name), .objectID(stage.model))
        }
    }

    private static func validate(stage: String) throws(HubError) {
        let isPlain = stage.unicodeScalars.allSatisfy { $0.value > 0x20 && $0 != "/" && $0.value != 0x7F }
        if stage.isEmpty || !isPlain || stage.utf8.count > Content.longestName {
            throw .invalid(
                "stage",
                "stage \(stage.debugDescription) is empty, too long, or has a space, a '/' or a control character; "
                    + "write a word such as production"
            )
        }
    }
}
