import BSON
import HTTPTypes
import TensorHub
import Threads

extension APIResponder {
    static let attemptRoutes = [
        Route(ofAttempt: .get, "/v1/task") { _, attempt, _ in .json(try await attempt.task()) },
        Route(ofAttempt: .put, UnsentRequest.resultsPath) { _, attempt, request in
            try await attempt.mergeResults(try await request.object())
            return .json([:])
        },
        Route(ofAttempt: .post, UnsentRequest.progressPath) { _, attempt, request in
            try await attempt.report(try Self.progress(try await request.object()))
            return .json([:], .accepted)
        },
        Route(ofAttempt: .get, "/v1/control", query: ["wait"]) { api, attempt, request in
            try await api.control(attempt, request)
        },
        Route(ofAttempt: .post, "/v1/checkpoint") { _, attempt, _ in
            try await attempt.storeCheckpoint()
            return .json([:], .accepted)
        },
    ]

    /// The longest that a request waits, in seconds.
    static let longestWait = 60

    @concurrent
    private func control(_ attempt: any ScriptAttempt, _ request: APIRequest) async throws -> Answer {
        let wait = try request.seconds("wait") ?? .zero
        var control: ScriptControl? = nil
        if wait > .zero { control = try await stop.before { await attempt.control(waiting: wait) } }
        let state: ScriptControl
        if let control { state = control } else { state = await attempt.control(waiting: .zero) }
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

extension Route {
    /// One that only an attempt has.
    fileprivate init(
        ofAttempt method: HTTPRequest.Method,
        _ path: String,
        query: Set<ByteString> = [],
        _ handler: @escaping @Sendable @concurrent (APIResponder, any ScriptAttempt, APIRequest) async throws -> Answer
    ) {
        self.init(method, path, .attempt, query: query) { api, request in
            guard let attempt = api.backend.attempt else { throw APIError.notInAttempt }
            return try await handler(api, attempt, request)
        }
    }
}

extension APIRequest {
    /// A time to wait, with fractions, at most `longestWait`.
    func seconds(_ name: String) throws(APIError) -> Duration? {
        guard let text = query[name.bytes] else { return nil }
        guard let seconds = Double(text), (0...Double(APIResponder.longestWait)).contains(seconds) else {
            throw .invalid(
                name,
                "\(name) is '\(text)'; it must be a number of seconds from 0 to \(APIResponder.longestWait)"
            )
        }
        return .seconds(seconds)
    }
}
