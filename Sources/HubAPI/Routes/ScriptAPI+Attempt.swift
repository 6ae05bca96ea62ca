import BSON
import HTTPTypes
import TensorHub

extension ScriptAPI {
    static let attemptRoutes = [
        Route(.get, "/v1/task", .attempt) { api, _ in .json(try await api.backend.task()) },
        Route(.put, "/v1/results", .attempt) { api, request in
            try await api.backend.mergeResults(try await request.object())
            return .json([:])
        },
        Route(.post, "/v1/progress", .attempt) { api, request in
            try await api.backend.report(try Self.progress(try await request.object()))
            return .json([:], .accepted)
        },
        Route(.get, "/v1/control", .attempt, query: ["wait"]) { api, request in try await api.control(request) },
        Route(.post, "/v1/checkpoint", .attempt) { api, _ in
            try await api.backend.storeCheckpoint()
            return .json([:], .accepted)
        },
    ]

    /// The longest that a request waits, in seconds.
    static let longestWait = 60

    @concurrent
    private func control(_ request: APIRequest) async throws -> Answer {
        let wait = try request.seconds("wait") ?? .zero
        let backend = backend
        var control: ScriptControl? = nil
        if wait > .zero { control = try await stop.untilStopped { await backend.control(waiting: wait) } }
        let state: ScriptControl
        if let control { state = control } else { state = await backend.control(waiting: .zero) }
        return .json([
            "stop": .bool(state.stop),
            "reason": state.reason.map(BSONValue.string) ?? .null,
            "deadline": state.remaining.map { .double(max(0, $0 / .seconds(1))) } ?? .null,
        ])
    }

    private static func progress(_ document: BSONDocument) throws(APIError) -> ScriptProgress {
        var progress = ScriptProgress(fraction: nil, message: nil)
        for (key, value) in document {
            switch (key, value) {
            case (_, .null): break
            case ("fraction", _):
                guard let fraction = value.doubleValue, (0...1).contains(fraction) else {
                    throw .invalid("fraction", "fraction is \(value); it must be a number from 0 to 1")
                }
                progress.fraction = fraction
            case ("message", .string(let text)): progress.message = text
            case ("message", _): throw .invalid("message", "message is \(value); it must be a text")
            default: throw .invalid(key, "'\(key)' is no part of progress; there are fraction and message")
            }
        }
        return progress
    }
}

extension APIRequest {
    /// A time to wait, with fractions, at most `longestWait`.
    func seconds(_ name: String) throws(APIError) -> Duration? {
        guard let text = query[name.bytes] else { return nil }
        guard let seconds = Double(text), (0...Double(ScriptAPI.longestWait)).contains(seconds) else {
            throw .invalid(
                name,
                "\(name) is '\(text)'; it must be a number of seconds from 0 to \(ScriptAPI.longestWait)"
            )
        }
        return .seconds(seconds)
    }
}
