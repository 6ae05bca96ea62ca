import BSON
import HTTPTypes

extension APIResponder {
    static let uploadRoutes = [
        Route(.post, "/v1/uploads") { api, request in
            let file = try await api.receive(request)
            let token = api.uploads.add(file)
            return .json(
                ["upload": .string(token), "size": .int64(file.size), "sha256": .string(file.sha256)],
                .created
            )
        }
    ]

    @concurrent
    func receive(_ request: APIRequest) async throws -> SpooledFile {
        let expected = request.headers[.contentSHA256]
        if let expected, expected.count != 64 || !expected.allSatisfy(\.isHexDigit) {
            throw APIError.invalid(
                "Content-SHA256",
                "Content-SHA256 is '\(expected)'; it must be 64 hexadecimal digits"
            )
        }
        return try await SpooledFile.receive(request.body, in: uploads.folder, expecting: expected, on: disk)
    }
}

extension HTTPField.Name {
    static let contentSHA256 = Self("Content-SHA256")!
}
