public import BSON

/// The dotted path of a field, such as `hyper_parameters.lr`.
public struct FieldPath: Sendable, Hashable, ExpressibleByStringLiteral {
    public var path: String

    public init(_ path: String) {
        self.path = path
    }

    public init(stringLiteral value: String) {
        path = value
    }

    public func isIn(_ values: [BSONValue]) -> Filter { compare("$in", .array(values)) }
    public func isNotIn(_ values: [BSONValue]) -> Filter { compare("$nin", .array(values)) }
    public func exists(_ exists: Bool = true) -> Filter { compare("$exists", .bool(exists)) }

    /// A regular expression of the server's (PCRE); options such as `i`.
    public func matches(_ pattern: String, options: String = "") -> Filter {
        compare("$regex", .regularExpression(BSONRegularExpression(pattern: pattern, options: options)))
    }

    private func compare(_ operation: String, _ value: BSONValue) -> Filter {
        Filter([path: .document([operation: value])])
    }

    public static func == (lhs: FieldPath, rhs: BSONValue) -> Filter { lhs.compare("$eq", rhs) }
    public static func != (lhs: FieldPath, rhs: BSONValue) -> Filter { lhs.compare("$ne", rhs) }
    public static func > (lhs: FieldPath, rhs: BSONValue) -> Filter { lhs.compare("$gt", rhs) }
    public static func >= (lhs: FieldPath, rhs: BSONValue) -> Filter { lhs.compare("$gte", rhs) }
    public static func < (lhs: FieldPath, rhs: BSONValue) -> Filter { lhs.compare("$lt", rhs) }
    public static func <= (lhs: FieldPath, rhs: BSONValue) -> Filter { lhs.compare("$lte", rhs) }
}
