package import BSON
import MongoDriver

/// Tasks that are alike in some fields, such as one for each seed, and what their results are together.
package struct ResultGroup: Sendable {
    /// Of one number over the tasks that have it.
    package struct Summary: Sendable, Hashable {
        package var n: Int
        package var mean: Double
        /// The standard error of the mean: the sample's standard deviation over the root of n. `nil` for one task.
        package var error: Double?
    }

    /// As many as there are fields; `nil` where the tasks have no such value.
    package var key: [BSONValue?]
    package var n: Int
    /// Seconds of the latest attempts.
    package var duration: Summary?
    /// In the order in which the results have them, names as `test.accuracy`.
    package var results: [(name: String, summary: Summary)]
}

extension Hub {
    /// More groups than that are no comparison.
    package static let resultGroupLimit = 10_000

    /// Means and standard errors of the results that are numbers, for each value of some fields, in their order. The
    /// server reckons.
    ///
    /// - Throws: `HubError.invalidInput` of field `group-by` for more than ``resultGroupLimit`` groups.
    package func groupResults(
        _ selection: TaskSelection,
        by fields: [TaskField]
    ) async throws(HubError) -> [ResultGroup] {
        let own: [BSONValue] = [
            ["isOwn": true, "k": "n", "v": 1], ["isOwn": true, "k": "duration", "v": TaskField.duration],
        ]
        let number: BSONValue = ["$convert": ["input": "$pair.v", "to": "double", "onError": .null, "onNull": .null]]
        let pipeline: [BSONDocument] = [
            ["$match": .document(selection.document(project: project))],
            [
                "$project": [
                    "_id": 0, "key": Self.key(fields),
                    "pair": ["$concatArrays": [.array(own), TaskPairs.of("$result")]],
                ]
            ],
            ["$unwind": ["path": "$pair", "includeArrayIndex": "place"]],
            ["$match": ["pair.v": ["$type": "number"]]], ["$set": ["pair.v": number]],
            ["$match": ["pair.v": ["$type": "double"]]],
            [
                "$group": [
                    "_id": ["key": "$key", "isOwn": "$pair.isOwn", "name": "$pair.k"], "n": ["$sum": 1],
                    "mean": ["$avg": "$pair.v"], "deviation": ["$stdDevSamp": "$pair.v"], "place": ["$min": "$place"],
                ]
            ],
            ["$sort": ["place": 1, "_id.name": 1]],
            [
                "$group": [
                    "_id": "$_id.key",
                    "values": [
                        "$push": [
                            "isOwn": "$_id.isOwn", "name": "$_id.name", "n": "$n", "mean": "$mean",
                            "deviation": "$deviation",
                        ]
                    ],
                ]
            ],
            ["$sort": ["_id": 1]], ["$limit": .init(smallest: Self.resultGroupLimit + 1)],
        ]
        let found = try await aggregateTasks(pipeline)
        if found.count > Self.resultGroupLimit {
            throw .invalid(
                "group-by",
                "group-by: there are more than \(Self.resultGroupLimit) groups; group by what several tasks have in common"
            )
        }
        return found.map { Self.resultGroup($0, fields) }
    }

    private static func resultGroup(_ found: BSONDocument, _ fields: [TaskField]) -> ResultGroup {
        var group = ResultGroup(key: values(found["_id"], fields), n: 0, duration: nil, results: [])
        for value in (found["values"]?.arrayValue ?? []).compactMap(\.documentValue) {
            let n = value["n"]?.intValue ?? 0
            let deviation = n > 1 ? value["deviation"]?.doubleValue : nil
            let summary = ResultGroup.Summary(
                n: n,
                mean: value["mean"]?.doubleValue ?? .nan,
                error: deviation.map { $0 / Double(n).squareRoot() }
            )
            let name = value["name"]?.stringValue ?? ""
            switch (value["isOwn"]?.boolValue ?? false, name.bytes) {
            case (true, "n"): group.n = n
            case (true, _): group.duration = summary
            case (false, _): group.results.append((name, summary))
            }
        }
        return group
    }
}
