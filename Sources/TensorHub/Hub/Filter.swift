public import BSON

/// A MongoDB filter: written as Extended JSON, as a document, as any `Encodable`, or in Swift.
///
/// ```swift
/// hub.findTasks("hyper_parameters.lr" > 0.1 && "status" == "finished")
/// ```
/// Reference: <https://www.mongodb.com/docs/manual/reference/operator/query/>
public struct Filter: Sendable, Hashable, CustomStringConvertible {
    public var document: BSONDocument

    /// Matches everything.
    public static let all = Filter([:])

    public init(_ document: BSONDocument) {
        self.document = document
    }

    /// - Throws: `HubError.invalidInput` that says where the text stops being a JSON object.
    public init(extendedJSON text: String) throws(HubError) {
        do {
            document = try BSONDocument(extendedJSON: text)
        } catch {
            throw HubError(
                .invalidInput,
                field: "filter",
                "filter: \(error.message); write a MongoDB filter as Extended JSON, such as "
                    + "'{\"hyper_parameters.lr\": {\"$gt\": 0.1}}'",
                underlying: error
            )
        }
    }

    /// - Throws: `EncodingError` where the value is not an object.
    public init(encoding value: some Encodable) throws {
        document = try BSONEncoder().encode(value)
    }

    public var description: String { document.description }

    public static func && (lhs: Filter, rhs: Filter) -> Filter {
        if lhs.document.isEmpty { return rhs }
        if rhs.document.isEmpty { return lhs }
        return Filter(["$and": [.document(lhs.document), .document(rhs.document)]])
    }

    public static func || (lhs: Filter, rhs: Filter) -> Filter {
        Filter(["$or": [.document(lhs.document), .document(rhs.document)]])
    }

    public static prefix func ! (filter: Filter) -> Filter {
        Filter(["$nor": [.document(filter.document)]])
    }
}

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

/// The order of what a query finds: fields and directions, the first one counting most.
public struct Sort: Sendable, Hashable {
    public var document: BSONDocument

    public init(_ document: BSONDocument) {
        self.document = document
    }

    public static func ascending(_ field: FieldPath) -> Sort { Sort([field.path: 1]) }
    public static func descending(_ field: FieldPath) -> Sort { Sort([field.path: -1]) }

    /// Oldest first.
    public static let oldest = Sort(["time": 1, "_id": 1])
    /// Newest first.
    public static let newest = Sort(["time": -1, "_id": -1])

    /// This order, and the other one among equals.
    public func then(_ other: Sort) -> Sort {
        Sort(BSONDocument(elements: (Array(document) + Array(other.document)).map { ($0.key, $0.value) }))
    }

    /// Either Extended JSON, `{"time": -1}`, or the short form `field:-1,other:1` (`field` alone is ascending).
    ///
    /// - Throws: `HubError.invalidInput` naming the part that is not of that form.
    public init(_ text: String) throws(HubError) {
        let form = "write it as 'test_accuracy:-1,time:1' or '{\"test_accuracy\": -1}'"
        if text.utf8.first == UInt8(ascii: "{") {
            do {
                document = try BSONDocument(extendedJSON: text)
            } catch {
                throw HubError(.invalidInput, field: "sort", "sort: \(error.message); \(form)", underlying: error)
            }
            return
        }
        var elements: [(String, BSONValue)] = []
        for part in text.bytes.split(separator: ",", omittingEmptySubsequences: false) {
            let pieces = part.split(separator: ":", omittingEmptySubsequences: false)
            let direction = pieces.count == 2 ? Int32(pieces[1].text) : 1
            guard let field = pieces.first, field != "", pieces.count <= 2, let direction, abs(direction) == 1 else {
                throw HubError.invalid("sort", "sort: '\(part)' is not a field and a direction; \(form)")
            }
            elements.append((field.text, .int32(direction)))
        }
        document = BSONDocument(elements: elements)
    }
}
