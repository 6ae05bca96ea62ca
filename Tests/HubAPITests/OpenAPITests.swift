import BSON
import HTTPTypes
import TestSupport
import Testing

@testable import HubAPI

@Suite struct OpenAPITests {
    private let document: BSONDocument

    init() throws {
        document = try BSONDocument(extendedJSON: OpenAPIDocument.text, options: ExtendedJSONOptions(plain: true))
    }

    /// A reference leads to what it means.
    private func resolve(_ value: BSONValue) -> BSONDocument {
        let object = value.documentValue ?? [:]
        guard let path = object["$ref"]?.stringValue else { return object }
        return document.value(atPath: path.dropFirst(2).split(separator: "/").joined(separator: "."))?.documentValue
            ?? [:]
    }

    private func operation(_ route: Route) -> BSONDocument? {
        document["paths"]?.documentValue?[route.path]?.documentValue?[route.method.rawValue.lowercased()]?.documentValue
    }

    @Test func `The document has every route, and no other`() {
        let ours = APIResponder.table.routes.map { "\($0.method.rawValue) \($0.path)" }
        var theirs: [String] = []
        for (path, methods) in document["paths"]?.documentValue ?? [:] {
            theirs += (methods.documentValue ?? [:]).keys.map { "\($0.uppercased()) \(path)" }
        }
        #expect(Set(ours) == Set(theirs))
        #expect(ours.count == theirs.count)
    }

    @Test func `The document has every query parameter and says where a route may be called`() throws {
        for route in APIResponder.table.routes {
            let described = try #require(operation(route))
            let parameters = (described["parameters"]?.arrayValue ?? []).map(resolve)
            let query = parameters.filter { $0["in"] == "query" }.compactMap { $0["name"]?.stringValue }
            #expect(Set(query.map(\.bytes)) == route.query, "\(route.method) \(route.path)")
            let path = parameters.filter { $0["in"] == "path" }.compactMap { $0["name"]?.stringValue }
            let segments = route.path.split(separator: "/").filter { $0.hasPrefix("{") }
            #expect(segments.map { String($0.dropFirst().dropLast()) } == path, "\(route.method) \(route.path)")
            #expect(described["x-tensorhub-scope"] == .string("\(route.scope)"), "\(route.method) \(route.path)")
        }
    }

    @Test func `Every operation with a body of JSON says that it may be told to come again`() throws {
        for route in APIResponder.table.routes {
            let described = try #require(operation(route))
            guard described["requestBody"]?.documentValue?["content"]?.documentValue?["application/json"] != nil else {
                continue
            }
            #expect(described["responses"]?.documentValue?["503"] != nil, "\(route.method) \(route.path)")
        }
    }

    @Test func `Every operation has its own name, and every reference leads somewhere`() throws {
        let ids = APIResponder.table.routes.compactMap { operation($0)?["operationId"]?.stringValue }
        #expect(Set(ids).count == APIResponder.table.routes.count)
        for text in OpenAPIDocument.text.split(separator: "\"") where text.hasPrefix("#/") {
            #expect(!resolve(["$ref": .string(String(text))]).isEmpty, "\(text)")
        }
    }

    @Test func `What a running server sends is the document`() async throws {
        try await withAttemptServer { fixture, _ in
            let reply = try await fixture.client.send("GET", "/v1/openapi.json")
            #expect(reply.text == OpenAPIDocument.text)
        }
    }
}
