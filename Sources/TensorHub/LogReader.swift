import MongoDriver

/// Reads the entries of a log one after the other, with constant memory whatever their number.
package actor LogReader {
    private var cursor: MongoCursor.Iterator?

    init(_ cursor: MongoCursor) {
        self.cursor = cursor.makeAsyncIterator()
    }

    /// The next entry; `nil` at the end, and while another call waits for one.
    package func next() async throws(HubError) -> LogEntry? {
        guard var cursor = cursor.take() else { return nil }
        let document = try await translatingErrors { () async throws(MongoError) in try await cursor.next() }
        if document != nil { self.cursor = cursor }
        return document.map(LogEntry.init)
    }

    /// The entries that come together with the next one; none at the end.
    package func batch() async throws(HubError) -> [LogEntry] {
        guard var cursor = cursor.take() else { return [] }
        var entries: [LogEntry] = []
        repeat {
            let document = try await translatingErrors { () async throws(MongoError) in try await cursor.next() }
            guard let document else { return entries }
            entries.append(LogEntry(document))
        } while cursor.hasNext
        self.cursor = cursor
        return entries
    }
}
