import BSON
import Files
import Glibc
import Synchronization
import TensorHub

/// Bytes that came by `POST /v1/uploads` and wait for the data set or model that they belong to.
final class Uploads: Sendable {
    let folder: String
    private let waiting = Mutex<[ByteString: (file: SpooledFile, since: ContinuousClock.Instant)]>([:])

    init(folder: String) {
        self.folder = folder
    }

    /// - Returns: The token by which it is asked for.
    func add(_ file: SpooledFile) -> String {
        let token = "\(ObjectID())\(UInt64.random(in: .min ... .max))"
        waiting.withLock { $0[token.bytes] = (file, .now) }
        return token
    }

    /// Takes them out, all or none.
    ///
    /// - Throws: `invalid-input` that names the one that is not there.
    func take(_ tokens: [String]) throws(APIError) -> [SpooledFile] {
        let (files, missing) = waiting.withLock { waiting -> ([SpooledFile], String?) in
            if let missing = tokens.first(where: { waiting[$0.bytes] == nil }) { return ([], missing) }
            return (tokens.compactMap { waiting.removeValue(forKey: $0.bytes)?.file }, nil)
        }
        if let missing {
            throw .invalid(
                "files",
                "there is no upload '\(missing)': each is used once, and dropped when it waits too long; upload it again"
            )
        }
        if files.count < tokens.count {
            // They are taken out already.
            for file in files { FolderTree.remove(file.path) }
            throw .invalid("files", "an upload is named twice; upload each file once for each place")
        }
        return files
    }

    /// What was taken was not used after all. Files that are not there any more are forgotten.
    func giveBack(_ tokens: [String], _ files: [SpooledFile]) {
        for (token, file) in zip(tokens, files) where GuardedPath.status(file.path) != nil {
            waiting.withLock { $0[token.bytes] = (file, .now) }
        }
    }

    func removeUnused(for limit: Duration) {
        let old = waiting.withLock { waiting in
            let old = waiting.filter { ContinuousClock.now - $0.value.since > limit }
            for token in old.keys { waiting[token] = nil }
            return old.values.map(\.file)
        }
        for file in old { FolderTree.remove(file.path) }
    }

    func removeAll() {
        let all = waiting.withLock { waiting in
            defer { waiting = [:] }
            return waiting.values.map(\.file)
        }
        for file in all { FolderTree.remove(file.path) }
    }
}
