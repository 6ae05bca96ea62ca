import BSON
import MongoDriver

/// What an order by a metric promises: numbers first, whatever the direction, so that neither text, a truth value, a list nor a
/// document passes for the best; then whatever else has a value; NaN and what has none last.
extension Sort {
    /// The field that counts most, unless every document has it with values of one type, as `_id` and those in `plain`; a path
    /// below one of these is none either.
    func rankedField(plain: [String]) -> String? {
        guard let field = document.first(where: { _ in true })?.key, field != "_id", !field.utf8.starts(with: "$".utf8),
            !field.isEmpty
        else { return nil }
        let root = field.utf8.prefix { $0 != UInt8(ascii: ".") }
        return plain.contains { root.elementsEqual($0.utf8) } ? nil : field
    }

    /// The conditions of the three groups, in their order.
    static func ranks(_ field: String) -> [Filter] {
        let number = Filter([field: ["$type": "number", "$not": ["$type": "array"], "$ne": .double(.nan)]])
        let other = ContentQuery.ranked(field)
        return [number, other && !number, ContentQuery.unranked(field)]
    }
}

extension MongoCollection {
    /// All that match in an order by a metric: see ``Sort/ranks(_:)``.
    func findRanked(_ filter: BSONDocument, by field: String, _ options: FindOptions) async throws(MongoError)
        -> [BSONDocument]
    {
        var found: [BSONDocument] = []
        for rank in Sort.ranks(field) {
            var rest = options
            rest.limit = options.limit.map { $0 - found.count }
            found += try await findAll((Filter(filter) && rank).document, rest)
            if let limit = options.limit, found.count >= limit { break }
        }
        return found
    }
}
