import BSON

/// A field of a body that must have a certain type.
struct RequestField {
    private let name: String
    private let value: BSONValue

    init(_ name: String, _ value: BSONValue) {
        self.name = name
        self.value = value
    }

    private func fault(_ what: String) -> APIError {
        let text = value.extendedJSON()
        return .invalid(name, "\(name) is \(text.count > 80 ? text.prefix(80) + "..." : text); it must be \(what)")
    }

    func text() throws(APIError) -> String {
        guard let text = value.stringValue else { throw fault("a text") }
        return text
    }

    /// A text, as UTF-8, or binary.
    func bytes() throws(APIError) -> [UInt8] {
        if let text = value.stringValue { return Array(text.utf8) }
        guard let binary = value.binaryValue else { throw fault("a text or {\"$binary\": ...}") }
        return binary.bytes
    }

    func object() throws(APIError) -> BSONDocument {
        guard let document = value.documentValue else { throw fault("an object") }
        return document
    }

    func array() throws(APIError) -> [BSONValue] {
        guard let values = value.arrayValue else { throw fault("an array") }
        return values
    }

    func texts() throws(APIError) -> [String] {
        let texts = try array().compactMap(\.stringValue)
        guard texts.count == value.arrayValue?.count else { throw fault("an array of texts") }
        return texts
    }

    func number() throws(APIError) -> Int32 {
        guard let number = value.intValue.flatMap({ Int32(exactly: $0) }) else { throw fault("a whole number") }
        return number
    }

    func duration() throws(APIError) -> Duration {
        // A hundred years fit any clock.
        guard let seconds = value.doubleValue, (0...3.2e9).contains(seconds) else {
            throw fault("a number of seconds")
        }
        return .seconds(seconds)
    }

    func time() throws(APIError) -> BSONDateTime {
        guard let time = value.dateTimeValue else { throw fault("a time: {\"$date\": \"2026-08-01T09:00:00Z\"}") }
        return time
    }

    func flag() throws(APIError) -> Bool {
        guard let flag = value.boolValue else { throw fault("true or false") }
        return flag
    }
}
