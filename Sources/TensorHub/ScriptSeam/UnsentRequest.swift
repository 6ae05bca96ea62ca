package import BSON
import Files

/// What a request means that a script's client has written down because nobody answered it.
package enum UnsentRequest: Sendable {
    case results(BSONDocument)
    case logs(LogKind, [BSONValue])
    /// Nobody would hear of it any more, or nothing is in it.
    case nothing

    /// Where each is sent to while somebody answers.
    package static let resultsPath = "/v1/results"
    package static let progressPath = "/v1/progress"
    package static func logsPath(_ kind: String) -> String { "/v1/logs/\(kind)" }

    /// `nil` where a request to that path cannot be made later.
    package init?(path: String, body: BSONValue?) {
        let name = GuardedPath.split(path).name
        if path == Self.resultsPath {
            self = body?.documentValue.map(Self.results) ?? .nothing
        } else if path == Self.logsPath(name), let kind = LogKind(rawValue: name) {
            self = .logs(kind, body?.arrayValue ?? (body.map { [$0] } ?? []))
        } else if path == Self.progressPath {
            self = .nothing
        } else {
            return nil
        }
    }
}
