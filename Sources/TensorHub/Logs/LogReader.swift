import MongoDriver

/// Reads the entries of a log one after the other, with constant memory whatever their number.
package actor LogReader {
    private var cursor: MongoCursor.Iterator?
    /// Those that follow: an order by a value of the user's is asked for in parts, see ``Sort/ranks(_:)``.
    private var others: ArraySlice<MongoCursor>
    private var left: Int

    /// - Parameter limit: Of all together.
    init(_ cursors: [MongoCursor], limit: Int? = nil) {
        cursor = cursors.first?.makeAsyncIterator()
        others = cursors.dropFirst()
        left = limit ?? .max
    }

    /// The next entry; `nil` at the end, and while another call waits for one.
    package func next() async throws(HubError) -> LogEntry? {
        while left > 0, var cursor = cursor.take() {
            let document = try await translatingErrors { () async throws(MongoError) in try await cursor.next() }
            guard let document else {
                self.cursor = others.popFirst()?.makeAsyncIterator()
                continue
            }
            self.cursor = cursor
            left -= 1
            return LogEntry(document)
        }
        return nil
    }

    /// The entries that come together with the next one; none at the end.
    package func batch() async throws(HubError) -> [LogEntry] {
        guard let first = try await next() else { return [] }
        var entries = [first]
        guard var cursor = cursor.take() else { return entries }
        while cursor.hasNext, left > 0 {
            let document = try await translatingErrors { () async throws(MongoError) in try await cursor.next() }
            guard let document else { break }
            entries.append(LogEntry(document))
            left -= 1
        }
        self.cursor = cursor
        return entries
    }
}
