/// Texts are equal where their bytes are; numbers of different types never, and NaN not even to itself, as in Swift.
extension BSONValue {
    public static func == (one: BSONValue, other: BSONValue) -> Bool {
        switch (one, other) {
        case (.double(let a), .double(let b)): a == b
        case (.string(let a), .string(let b)), (.javaScript(let a), .javaScript(let b)),
            (.symbol(let a), .symbol(let b)):
            a.bytes == b.bytes
        case (.document(let a), .document(let b)): a == b
        case (.array(let a), .array(let b)): a == b
        case (.binary(let a), .binary(let b)): a == b
        case (.objectID(let a), .objectID(let b)): a == b
        case (.bool(let a), .bool(let b)): a == b
        case (.dateTime(let a), .dateTime(let b)): a == b
        case (.regularExpression(let a), .regularExpression(let b)): a == b
        case (.dbPointer(let a), .dbPointer(let b)): a == b
        case (.javaScriptWithScope(let a, let scope), .javaScriptWithScope(let b, let otherScope)):
            a.bytes == b.bytes && scope == otherScope
        case (.int32(let a), .int32(let b)): a == b
        case (.timestamp(let a), .timestamp(let b)): a == b
        case (.int64(let a), .int64(let b)): a == b
        case (.decimal128(let a), .decimal128(let b)): a == b
        case (.undefined, .undefined), (.null, .null), (.minKey, .minKey), (.maxKey, .maxKey): true
        default: false
        }
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(type)
        switch self {
        case .double(let value): hasher.combine(value)
        case .string(let text), .javaScript(let text), .symbol(let text): hasher.combine(text.bytes)
        case .document(let value): hasher.combine(value)
        case .array(let value): hasher.combine(value)
        case .binary(let value): hasher.combine(value)
        case .objectID(let value): hasher.combine(value)
        case .bool(let value): hasher.combine(value)
        case .dateTime(let value): hasher.combine(value)
        case .regularExpression(let value): hasher.combine(value)
        case .dbPointer(let value): hasher.combine(value)
        case .javaScriptWithScope(let code, let scope):
            hasher.combine(code.bytes)
            hasher.combine(scope)
        case .int32(let value): hasher.combine(value)
        case .timestamp(let value): hasher.combine(value)
        case .int64(let value): hasher.combine(value)
        case .decimal128(let value): hasher.combine(value)
        case .undefined, .null, .minKey, .maxKey: break
        }
    }
}
