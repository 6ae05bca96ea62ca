import BSON
import MongoDriver

/// An order of tasks by fields as people write them: `loss:min,lr`.
package struct TaskOrder: Sendable {
    package struct Key: Sendable {
        package var field: TaskField
        package var isAscending: Bool
    }

    /// The first one counts most; empty where the order was written as JSON.
    package let keys: [Key]
    private let written: Sort?

    /// `name`, `name:min`, `name:asc`, `name:1` ascending, `name:max`, `name:desc`, `name:-1` descending, with commas
    /// between several; or Extended JSON, which is MongoDB's own.
    ///
    /// - Throws: `HubError.invalidInput` of field `sort` that names the part at fault.
    package init(_ text: String) throws(HubError) {
        if text.utf8.first == UInt8(ascii: "{") {
            keys = []
            written = try Sort(text)
            return
        }
        written = nil
        var keys: [Key] = []
        for part in text.bytes.split(separator: ",", omittingEmptySubsequences: false) {
            let (name, direction) = part.cut(atLast: ":") ?? (part.text, "asc")
            guard !name.isEmpty, let isAscending = Self.directions[direction.bytes] else {
                throw .invalid("sort", "sort: '\(part)' is no field and direction; write loss:min,lr or duration:max")
            }
            keys.append(Key(field: try TaskField(single: name, option: "sort"), isAscending: isAscending))
        }
        self.keys = keys
    }

    private static let directions: [ByteString: Bool] = [
        "min": true, "asc": true, "1": true, "max": false, "desc": false, "-1": false,
    ]

    /// The same by the fields of the documents, for which there may be an index; `nil` where the server has to work the
    /// values out.
    var sort: Sort? {
        if let written { return written }
        var document = BSONDocument()
        for key in keys {
            guard let (path, isReversed) = key.field.stored else { return nil }
            document.append(path, key.isAscending != isReversed ? 1 : -1)
        }
        return Sort(document)
    }

    /// Numbers first, then what else has a value, NaN and nothing last, whatever the direction; equals by age.
    fileprivate var stages: [BSONDocument] {
        let root = Self.root
        let values = keys.enumerated().map { ("v\($0.offset)", $0.element.field.expression) }
        let ranked = keys.indices.flatMap { index -> [(String, BSONValue)] in
            let value = "\(root).v\(index)"
            let rank = Sort.rank(value)
            // NaN and nothing are equals: then the next key counts.
            return [
                ("\(root).r\(index)", rank), (value, ["$cond": [["$eq": [rank, 2]], .null, .string("$\(value)")]]),
            ]
        }
        var order = BSONDocument()
        for (index, key) in keys.enumerated() {
            order.append("\(root).r\(index)", 1)
            order.append("\(root).v\(index)", key.isAscending ? 1 : -1)
        }
        for (field, direction) in Sort.oldest.document { order.append(field, direction) }
        return [
            ["$set": [root: .document(BSONDocument(elements: values))]],
            ["$set": .document(BSONDocument(elements: ranked))], ["$sort": .document(order)],
        ]
    }

    fileprivate static let root = "__tensorhub_order"
}

extension TaskField {
    /// The path at which it is stored, and whether its order there is the other way round; `nil`: at none.
    fileprivate var stored: (path: String, isReversed: Bool)? {
        switch place {
        case .path(let path): (path, false)
        case .firstOf: nil
        case .own(let own):
            switch own {
            case .id: ("_id", false)
            case .state: ("status", false)
            case .attempt: ("hub.attempt", false)
            case .time: ("time", false)
            case .age: ("time", true)
            case .number, .name, .started, .ended, .duration, .host, .runner, .script, .failure, .parameters, .result,
                .tags:
                nil
            }
        }
    }
}

extension Hub {
    /// The tasks of a selection in that order, without their scripts and files.
    ///
    /// - Parameter limit: The first so many; `nil` means all.
    package func findTasks(
        _ selection: TaskSelection,
        order: TaskOrder,
        limit: Int?
    ) async throws(HubError) -> [TaskRecord] {
        if let sort = order.sort { return try await findTasks(selection, sort: sort, limit: limit) }
        var pipeline: [BSONDocument] = [["$match": .document(selection.document(project: project))]]
        pipeline += [["$unset": ["script", "hub.files"]]] + order.stages
        if let limit { pipeline.append(["$limit": .init(smallest: limit)]) }
        pipeline.append(["$unset": .string(TaskOrder.root)])
        return try await aggregateTasks(pipeline).map(TaskRecord.init)
    }

    func aggregateTasks(_ pipeline: [BSONDocument]) async throws(HubError) -> [BSONDocument] {
        try await translatingErrors { () async throws(MongoError) in
            try await tasks.aggregateAll(pipeline, AggregateOptions(allowDiskUse: true))
        }
    }
}
