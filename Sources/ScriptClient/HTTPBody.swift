/// What a request carries.
enum HTTPBody: Sendable {
    case none
    /// Relaxed Extended JSON.
    case json(String)
    case bytes([UInt8])
    /// Read piece by piece while it is sent.
    case file(SentFile)

    var length: Int64 {
        switch self {
        case .none: 0
        case .json(let text): Int64(text.utf8.count)
        case .bytes(let bytes): Int64(bytes.count)
        case .file(let file): file.length
        }
    }

    var contentType: String? {
        switch self {
        case .none: nil
        case .json: "application/json"
        case .bytes, .file: "application/octet-stream"
        }
    }
}
