import BSON
import MongoDriver

/// What an order by a metric promises: numbers first, whatever the direction, so that neither text, a truth value, a
/// list nor a document passes for the best; then whatever else has a value; NaN and what has none last.
extension Sort {
    /// The fields that are ordered so: all but `_id` and those in `plain`, which every document has with values of one
    /// type, and the paths below these. None in an order that is not made of fields and directions.
    func rankedFields(plain: [String]) -> [String] {
        guard document.allSatisfy({ !$0.key.isEmpty && !$0.key.bytes.hasPrefix("$") && $0.value.intValue != nil })
        else {
            return []
        }
        return document.keys.filter { field in
            let root = field.bytes.cut(atFirst: ".")?.before ?? field
            return field != "_id" && !plain.hasBytes(of: root)
        }
    }

    /// The field that counts most, where it is one of ``rankedFields(plain:)``.
    func rankedField(plain: [String]) -> String? {
        rankedFields(plain: plain).first.flatMap { $0.bytes == document.keys.first?.bytes ? $0 : nil }
    }

    /// The conditions of the three groups, in their order.
    static func ranks(_ field: String) -> [Filter] {
        let number = Filter([field: ["$type": "number", "$not": ["$type": "array"], "$ne": .double(.nan)]])
        let other = ContentQuery.ranked(field)
        return [number, other && !number, ContentQuery.unranked(field)]
    }

    /// The same as a number, 0 to 2, in an expression.
    static func rank(_ field: String) -> BSONValue {
        let value = BSONValue.string("$\(field)")
        let isNaN: BSONValue = ["$eq": [value, .double(.nan)]]
        let hasNone: BSONValue = ["$or": [isNaN, ["$in": [["$type": value], ["missing", "null", "undefined"]]]]]
        let isNumber: BSONValue = ["$and": [["$isNumber": value], ["$not": [isNaN]]]]
        return ["$cond": [isNumber, 0, ["$cond": [hasNone, 2, 1]]]]
    }

    /// The stages that sort by several metrics, or by one among equals.
    fileprivate func stages(_ ranked: [String]) -> [BSONDocument] {
        let root = "__tensorhub_rank"
        let ranks = ranked.enumerated().map { ("r\($0.offset)", Self.rank($0.element)) }
        var order: BSONDocument = [:]
        for (field, direction) in document {
            if let index = ranked.firstIndex(where: { $0.bytes == field.bytes }) {
                order.append("\(root).r\(index)", 1)
            }
            order.append(field, direction)
        }
        return [["$set": [root: .document(BSONDocument(elements: ranks))]], ["$sort": .document(order)]]
    }

    fileprivate static let unranking: BSONDocument = ["$unset": "__tensorhub_rank"]
}

extension MongoCollection {
    /// All that match in an order by metrics: see ``Sort/rankedFields(plain:)``.
    func findRanked(
        _ filter: BSONDocument,
        by sort: Sort,
        plain: [String],
        _ options: FindOptions
    ) async throws(MongoError) -> [BSONDocument] {
        let ranked = sort.rankedFields(plain: plain)
        guard let first = ranked.first else { return try await findAll(filter, options) }
        // In parts the indexes serve; only an order within an order is beyond them.
        if ranked.count > 1 || first.bytes != sort.document.keys.first?.bytes {
            var pipeline: [BSONDocument] = [["$match": .document(filter)]] + sort.stages(ranked)
            if let limit = options.limit { pipeline.append(["$limit": .init(smallest: limit)]) }
            pipeline.append(Sort.unranking)
            if let projection = options.projection, !projection.isEmpty {
                pipeline.append(["$project": .document(projection)])
            }
            return try await aggregateAll(pipeline, AggregateOptions(allowDiskUse: true))
        }
        var found: [BSONDocument] = []
        for rank in Sort.ranks(first) {
            var rest = options
            rest.limit = options.limit.map { $0 - found.count }
            found += try await findAll((Filter(filter) && rank).document, rest)
            if let limit = options.limit, found.count >= limit { break }
        }
        return found
    }
}
