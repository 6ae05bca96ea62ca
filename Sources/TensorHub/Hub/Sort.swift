public import BSON

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
