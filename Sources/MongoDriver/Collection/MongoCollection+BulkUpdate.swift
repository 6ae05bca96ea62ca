public import BSON

/// One of the statements of ``MongoCollection/bulkUpdate(_:ordered:)``.
public struct UpdateStatement: Sendable, Hashable {
    public var filter: BSONDocument
    public var update: MongoUpdate
    /// Whether it changes all documents that match; then libmongoc does not repeat it when the connection breaks.
    public var multi: Bool
    public var upsert: Bool

    public init(filter: BSONDocument, update: MongoUpdate, multi: Bool = false, upsert: Bool = false) {
        self.filter = filter
        self.update = update
        self.multi = multi
        self.upsert = upsert
    }
}

/// What many statements found and did together.
public struct BulkUpdateResult: Sendable, Hashable {
    public var matched: Int
    public var modified: Int
    /// The statements that the server refused; the others were done, or stopped at the first of these when ordered.
    public var writeErrors: [MongoError.WriteError]

    public init(matched: Int, modified: Int, writeErrors: [MongoError.WriteError] = []) {
        self.matched = matched
        self.modified = modified
        self.writeErrors = writeErrors
    }
}

extension MongoCollection {
    /// Sends many updates in as few messages as the server's limits allow. Refused statements do not throw: they are in
    /// the result. Everything else does, whether statements were refused or not: the error's `unanswered` names those
    /// whose outcome is unknown, or that were not sent, and its `writeErrors` those before them that were refused.
    public func bulkUpdate(
        _ statements: [UpdateStatement],
        ordered: Bool = false
    ) async throws(MongoError) -> BulkUpdateResult {
        var result = BulkUpdateResult(matched: 0, modified: 0, writeErrors: [])
        var next = 0
        while next < statements.count {
            // One message after the other, so that of each it is known whether it was answered: libmongoc tells of a
            // refused statement of the first and says nothing of the connection that broke in the second.
            let message = next..<Self.end(ofMessageFrom: next, in: statements)
            do throws(MongoError) {
                try await update(statements[message], ordered: ordered, into: &result)
            } catch {
                var error = error
                error.unanswered = next..<statements.count
                error.writeErrors = result.writeErrors + error.writeErrors.map { $0.moved(by: next) }
                throw error
            }
            if ordered, !result.writeErrors.isEmpty { break }
            next = message.upperBound
        }
        return result
    }

    private func update(
        _ statements: ArraySlice<UpdateStatement>,
        ordered: Bool,
        into result: inout BulkUpdateResult
    ) async throws(MongoError) {
        let reply: BSONDocument
        do throws(MongoError) {
            reply = try await bulk(.update(namespace), ordered: ordered, repetition) { (bulk) throws(MongoError) in
                for statement in statements {
                    let update = try statement.update.statement()
                    try bulk.add(
                        statement.multi ? .updateMany(statement.filter, update) : .updateOne(statement.filter, update),
                        options: Self.statementOptions(upsert: statement.upsert, hint: nil)
                    )
                }
            }
        } catch {
            // A right that is missing concerns all of them.
            let isOfStatements = error.code != .network && error.code != .writeConcern && error.code != .forbidden
            guard !error.writeErrors.isEmpty, isOfStatements else { throw error }
            reply = error.reply
            result.writeErrors += error.writeErrors.map { $0.moved(by: statements.startIndex) }
        }
        result.matched += reply["nMatched"]?.intValue ?? 0
        result.modified += reply["nModified"]?.intValue ?? 0
    }

    /// Where a message ends that begins with that statement: well within the server's 100,000 statements and 48 MB.
    private static func end(ofMessageFrom start: Int, in statements: [UpdateStatement]) -> Int {
        var end = start
        var size = 0
        while end < statements.count, end - start < 50_000 {
            size += statements[end].estimatedSize
            if end > start, size > 24 << 20 { break }
            end += 1
        }
        return end
    }
}

extension MongoError.WriteError {
    /// Of a message, as one of the whole call.
    fileprivate func moved(by start: Int) -> Self { Self(index: start + index, code: code, message: message) }
}

extension UpdateStatement {
    fileprivate var estimatedSize: Int {
        let update =
            switch update {
            case .document(let document): document.bytes.count
            case .pipeline(let stages): stages.reduce(0) { $0 + $1.bytes.count + 16 }
            }
        return filter.bytes.count + update + 128
    }
}
