public import BSON

/// What a filter or a sort of somebody else's must not have in it: the server would run code of theirs, which no index
/// and no plan bounds, or write to a collection.
public enum QueryDanger {
    /// `$where`, `$function` and `$accumulator` run JavaScript, `$out` and `$merge` write. MongoDB tells capital
    /// letters from small ones in the names of its operators.
    static let operators: Set<ByteString> = ["$where", "$function", "$accumulator", "$out", "$merge"]
    /// Operators that MongoDB uses among its own servers, some of which run JavaScript.
    static let internalPrefix: ByteString = "$_internal"

    /// - Throws: `HubError.invalidInput` of that field, which names the operator and its place.
    public static func check(_ document: BSONDocument, field: String) throws(HubError) {
        guard let path = path(in: document) else { return }
        let name = path.last ?? ""
        let what = ["$out", "$merge"].contains(name) ? "writes to a collection" : "runs code on the server"
        throw HubError(
            .invalidInput,
            field: field,
            "\(field): \(([field] + path).joined(separator: ".")): '\(name)' \(what) and is refused here; write the "
                + "condition with MongoDB's other operators, such as $expr with $gt or $regexMatch"
        )
    }

    /// The keys from the outside in to the first operator that is refused.
    private static func path(in document: BSONDocument) -> [String]? {
        for (key, value) in document {
            if isRefused(key) { return [key] }
            if let inner = path(in: value) { return [key] + inner }
        }
        return nil
    }

    private static func path(in value: BSONValue) -> [String]? {
        switch value {
        case .document(let document): return path(in: document)
        case .array(let values):
            for (index, value) in values.enumerated() {
                if let inner = path(in: value) { return ["\(index)"] + inner }
            }
            return nil
        default: return nil
        }
    }

    private static func isRefused(_ key: String) -> Bool {
        guard key.utf8.first == UInt8(ascii: "$") else { return false }
        return operators.contains(key.bytes) || key.bytes.hasPrefix(internalPrefix)
    }
}
