import BSON

/// The answer to one request, read whole: JSON of at most some megabytes.
struct HTTPAnswer: Sendable {
    var status = 0
    var body: [UInt8] = []

    /// The body as a document; `nil` where it is none.
    var document: BSONDocument? {
        try? BSONDocument(extendedJSON: body, options: .nonFinite)
    }
}
