import BSON
import HTTPTypes
import TensorHub

/// A request that has found its route.
struct APIRequest: Sendable {
    /// Bytes of JSON in one body: what MongoDB takes as one document.
    static let jsonLimit = 16 << 20

    let headers: HTTPFields
    /// What stands in the path in the place of each `{...}`, in order.
    let parameters: [String]
    let query: [ByteString: String]
    let body: RequestStream

    // MARK: Body

    var hasJSONBody: Bool { Self.isJSON(headers[.contentType]) }

    /// Whether the client wants JSON where it could have bytes.
    var wantsJSON: Bool {
        (headers[.accept] ?? "").bytes.split(separator: ",").contains { Self.isJSON($0.text) }
    }

    static func isJSON(_ type: (some StringProtocol)?) -> Bool {
        guard let type else { return false }
        let scalars = type.unicodeScalars.prefix { $0 != ";" }.filter { $0 != " " && $0 != "\t" }
        let name = String(String.UnicodeScalarView(scalars)).lowercased().bytes
        return name.hasPrefix("application/") && (name.hasSuffix("/json") || name.hasSuffix("+json"))
    }

    @concurrent
    func value() async throws -> BSONValue {
        let bytes = try await body.collect(limit: Self.jsonLimit)
        do {
            return try BSONValue(extendedJSON: bytes, options: .nonFinite)
        } catch {
            throw APIError.badJSON(error.message)
        }
    }

    @concurrent
    func object() async throws -> BSONDocument {
        guard case .document(let document) = try await value() else {
            throw APIError.badJSON("expected an object in braces")
        }
        return document
    }

    /// One object, or several in an array.
    @concurrent
    func objects() async throws -> [BSONDocument] {
        switch try await value() {
        case .document(let document): return [document]
        case .array(let values):
            return try values.map { value throws(APIError) in
                guard case .document(let document) = value else { throw .badJSON("expected an array of objects") }
                return document
            }
        default: throw APIError.badJSON("expected an object, or an array of objects")
        }
    }

    // MARK: Query

    func integer(_ name: String, from minimum: Int, to maximum: Int = .max) throws(APIError) -> Int? {
        guard let text = query[name.bytes] else { return nil }
        guard let value = Int(text), value >= minimum, value <= maximum else {
            let range = maximum == .max ? "from \(minimum) up" : "from \(minimum) to \(maximum)"
            throw .invalid(name, "\(name) is '\(text)'; it must be a whole number \(range)")
        }
        return value
    }

    func flag(_ name: String, default standard: Bool) throws(APIError) -> Bool {
        switch query[name.bytes] {
        case nil: return standard
        case "true", "1": return true
        case "false", "0": return false
        case let text?: throw .invalid(name, "\(name) is '\(text)'; write true or false")
        }
    }

    /// A document as Extended JSON.
    func document(_ name: String) throws(APIError) -> BSONDocument? {
        guard let text = query[name.bytes] else { return nil }
        do {
            return try BSONDocument(extendedJSON: text, options: .nonFinite)
        } catch {
            throw .invalid(name, "\(name): \(error.message); write an object as Extended JSON, URL-encoded")
        }
    }

    /// Whether anything narrows the request down by itself: a filter, if only `{}`, or a short one.
    var hasFilter: Bool { query["filter"] != nil || query["where"] != nil }

    /// The filter, without what would run code on the server or write there, and the short one: both must hold.
    func filter(for subject: ShortFilter.Subject, _ hub: Hub) async throws(APIError) -> Filter {
        var filter = Filter.all
        if let document = try document("filter") { filter = try Self.checked(document) }
        if let text = query["where"] { filter = filter && (try await Self.short(text, for: subject, hub)) }
        return filter
    }

    static func short(_ text: String, for subject: ShortFilter.Subject, _ hub: Hub) async throws(APIError) -> Filter {
        do {
            let condition = try ShortFilter(text)
            try condition.check(for: subject)
            return try await condition.resolved(by: hub).filter(for: subject)
        } catch {
            throw APIError(error)
        }
    }

    static func checked(_ filter: BSONDocument) throws(APIError) -> Filter {
        do { try QueryDanger.check(filter, field: "filter") } catch { throw APIError(error) }
        return Filter(filter)
    }

    func sort() throws -> Sort? {
        guard let text = query["sort"] else { return nil }
        let sort = try Sort(text)
        if sort.document.isEmpty {
            throw APIError.invalid("sort", "sort: there is no field in it; write it as 'test_accuracy:-1,time:1'")
        }
        try QueryDanger.check(sort.document, field: "sort")
        return sort
    }

    func limit() throws(APIError) -> Int? { try integer("limit", from: 1, to: Int(Int32.max)) }

    func version() throws(APIError) -> Int? { try integer("version", from: 1) }

    func objectID(_ text: String, _ name: String) throws(APIError) -> ObjectID {
        guard let id = ObjectID(text) else {
            throw .invalid(name, "\(name): '\(text)' is no identifier; those have 24 hexadecimal digits")
        }
        return id
    }
}
