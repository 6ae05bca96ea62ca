/// Which form of MongoDB Extended JSON v2 to write.
public enum ExtendedJSONMode: Sendable {
    /// Every type can be told from the text: `{"$numberInt": "1"}`.
    case canonical
    /// Numbers and dates as JSON and people write them: `1`, `{"$date": "2024-02-29T12:00:00Z"}`.
    case relaxed
}

/// How Extended JSON is read; the default is the specification.
public struct ExtendedJSONOptions: Sendable, Hashable {
    /// Accepts `NaN`, `Infinity` and `-Infinity` where a number may stand, as Python's `json` prints them. Default:
    /// false.
    public var allowsNonFiniteLiterals: Bool
    /// Reads JSON as JSON: `{"$oid": "…"}` stays a document, integers become int64. Default: false.
    public var plain: Bool

    /// With `NaN` and the like, as programs in Python write them.
    public static let nonFinite = Self(allowsNonFiniteLiterals: true)

    public init(allowsNonFiniteLiterals: Bool = false, plain: Bool = false) {
        self.allowsNonFiniteLiterals = allowsNonFiniteLiterals
        self.plain = plain
    }
}

extension BSONValue {
    /// Reads one value of Extended JSON in either form. Errors name line, column and what was expected there.
    public init(extendedJSON text: String, options: ExtendedJSONOptions = .init()) throws(BSONError) {
        var text = text
        self = try text.withUTF8 { ExtendedJSONParser.parse($0, options) }.get()
    }

    /// Reads one value from a file's bytes, which must be UTF-8. A byte order mark at the beginning counts for nothing.
    public init(extendedJSON bytes: [UInt8], options: ExtendedJSONOptions = .init()) throws(BSONError) {
        guard bytes.withUnsafeBytes(\.isUTF8) else {
            let isWide = ByteOrderMark.isWide(bytes)
            throw BSONError(.malformedJSON, isWide ? "the text is UTF-16; save it as UTF-8" : "the text is not UTF-8")
        }
        self = try ByteOrderMark.dropped(from: bytes[...]).withUnsafeBufferPointer { text in
            ExtendedJSONParser.parse(text, options)
        }.get()
    }

    /// The value as Extended JSON; `pretty` gives every element its own line, indented by two spaces a level.
    public func extendedJSON(_ mode: ExtendedJSONMode = .relaxed, pretty: Bool = false) -> String {
        var writer = ExtendedJSONWriter(mode: mode, pretty: pretty)
        writer.write(self)
        return writer.text
    }
}

extension BSONDocument {
    /// Reads one document of Extended JSON in either form. Errors name line, column and what was expected there.
    public init(extendedJSON text: String, options: ExtendedJSONOptions = .init()) throws(BSONError) {
        try self.init(root: BSONValue(extendedJSON: text, options: options))
    }

    /// Reads one document from a file's bytes, which must be UTF-8; a byte order mark in front is passed over.
    public init(extendedJSON bytes: [UInt8], options: ExtendedJSONOptions = .init()) throws(BSONError) {
        try self.init(root: BSONValue(extendedJSON: bytes, options: options))
    }

    private init(root: BSONValue) throws(BSONError) {
        guard case .document(let document) = root else {
            throw BSONError(.malformedJSON, "expected a document in braces, found a value of type \(root.type)")
        }
        self = document
    }

    /// The document as Extended JSON; `pretty` gives every element its own line, indented by two spaces a level.
    public func extendedJSON(_ mode: ExtendedJSONMode = .relaxed, pretty: Bool = false) -> String {
        var writer = ExtendedJSONWriter(mode: mode, pretty: pretty)
        writer.write(self)
        return writer.text
    }
}

extension BSONDocument: CustomStringConvertible {
    /// Relaxed Extended JSON.
    public var description: String { extendedJSON() }
}

extension BSONValue: CustomStringConvertible {
    /// Relaxed Extended JSON.
    public var description: String { extendedJSON() }
}
