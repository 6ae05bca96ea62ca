/// What a request does.
enum HTTPVerb: String, Sendable {
    case get = "GET"
    case put = "PUT"
    case post = "POST"
}
