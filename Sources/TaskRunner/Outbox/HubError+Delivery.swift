import Files
import MongoDriver
import TensorHub

extension HubError {
    /// It is said of the very document or file that is sent, so no later try will fare better. All else may pass: a
    /// rotated password, a quota, a full disk, too many open files.
    var isRefusal: Bool {
        if code == .notFound || code == .wrongState || code == .hashMismatch { return true }
        if isTransient { return false }
        guard let error = underlying as? MongoError else { return code == .invalidInput }
        return error.isOfDocument
    }

    /// What a file call on the attempt directory means to a script.
    init(writing error: any Error) {
        let isFull = (error as? FileError)?.isFull ?? false
        self.init(
            isFull ? .noSpace : .database,
            isFull
                ? "the disk of this machine is full; nothing was written, free space and try again"
                : "the journal of the attempt cannot be written: \(error)",
            underlying: error
        )
    }
}

extension MongoError {
    /// Whether the server, or libmongoc before it, takes offence at what a document holds.
    var isOfDocument: Bool {
        if code == .invalidInput { return true }
        if writeErrors.isEmpty { return serverCode.map(Self.documentCodes.contains) ?? false }
        // The server's own troubles have names and small numbers, apart from a few; a check of a value that has no
        // name, as those of geographic and text indexes, has a large one.
        return writeErrors.allSatisfy { error in
            Self.documentCodes.contains(error.code) || error.code >= 10_000 && !Self.serverCodes.contains(error.code)
        }
    }

    /// Bad value, failed to parse, type mismatch, overflow, invalid BSON, path not viable, names of fields that cannot
    /// be, immutable field, validation, parallel arrays, key too long, duplicate keys, too large.
    private static let documentCodes: Set<Int> = [
        2, 9, 14, 15, 22, 28, 52, 53, 55, 56, 57, 66, 121, 171, 17280, 11000, 11001, 12582, 10334, 17419, 17420,
    ]

    /// Not primary, interrupted, out of disk space, stale routing, shutting down.
    private static let serverCodes: Set<Int> = [10107, 11600, 11601, 11602, 13388, 13435, 13436, 14031]
}
