import BSON

extension BSONValue {
    /// Whether it means itself, and nothing else, where a filter compares with it. A document or a regular expression
    /// that another program has used for an identifier would be taken for a condition, and match what is somebody
    /// else's.
    var isPlainIdentifier: Bool {
        switch self {
        case .objectID, .string, .int32, .int64, .double, .decimal128, .binary, .bool, .dateTime, .null: true
        default: false
        }
    }
}
