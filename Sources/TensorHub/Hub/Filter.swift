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
