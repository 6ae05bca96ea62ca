package import BSON

/// What a query that was cut off has not handed out yet.
extension MongoCollection {
    /// The same query behind a document of it; `nil` where the order does not tell what comes behind that.
    ///
    /// - Parameter count: How many documents were handed out, which a limit has spent.
    func rest(
        of filter: BSONDocument,
        _ options: FindOptions,
        behind last: BSONDocument,
        after count: Int
    ) -> MongoCursor? {
        guard let condition = Self.behind(last, options.sort) else { return nil }
        var options = options
        options.skip = nil
        if let limit = options.limit, limit > 0 { options.limit = limit - count }
        return find(["$and": [.document(filter), .document(condition)]], options)
    }

    /// What matches the documents behind that one. An order with `_id` in it is total; values of any type are compared
    /// as the server's sort compares them, arrays excepted: where the place is in one, nothing is said.
    package static func behind(_ last: BSONDocument, _ sort: BSONDocument?) -> BSONDocument? {
        guard let sort, sort["_id"] != nil else { return nil }
        var bound: BSONDocument = [:]
        var equal: [BSONValue] = []
        var branches: [BSONValue] = []
        for (key, direction) in sort {
            guard let sign = direction.intValue, abs(sign) == 1, !key.bytes.hasPrefix("$"),
                let value = last.value(atPath: key), value.isPlace
            else { return nil }
            // For an index: everything but what is certainly in front, of whatever type.
            if branches.isEmpty, value.isBound { bound.append(key, ["$not": [sign > 0 ? "$lt" : "$gt": value]]) }
            let field: BSONValue = ["$ifNull": [.string("$" + key), .null]]
            let place: BSONValue = ["$literal": value]
            branches.append(["$and": .array(equal + [[sign > 0 ? "$gt" : "$lt": [field, place]]])])
            equal.append(["$eq": [field, place]])
            if key == "_id" { break }
        }
        bound.append("$expr", ["$or": .array(branches)])
        return bound
    }
}

extension BSONValue {
    /// Whether the server's sort takes it as it is: of an array it takes an element, and nothing is a null.
    fileprivate var isPlace: Bool {
        switch self {
        case .array, .null: false
        default: true
        }
    }

    /// Whether an index compares it with those of its type as the sort does.
    fileprivate var isBound: Bool {
        switch self {
        case .string, .int32, .int64, .objectID, .dateTime, .bool: true
        case .double(let number): !number.isNaN
        default: false
        }
    }
}
