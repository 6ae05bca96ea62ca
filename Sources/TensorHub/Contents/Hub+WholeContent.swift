import BSON
import Files
import MongoDriver

/// Storing content as it was at one moment, though it takes minutes to read.
extension Hub {
    /// Stores the files, and again where one of them, or the list of their names, has changed from the first to the
    /// last.
    ///
    /// - Returns: Those that are stored, in order; what earlier tries have stored; and why not all of them are.
    func storeWhole(
        _ content: Content,
        in bucket: BlobBucket,
        for owner: ObjectID,
        uploader: ObjectID?
    ) async -> (stored: [StoredFile], others: [ObjectID], failure: HubError?) {
        guard let reading = content.reading else {
            let (stored, failure) = await store(content.files, in: bucket, for: owner, uploader: uploader)
            return (stored, [], failure)
        }
        var others: [ObjectID] = []
        var failure = HubError.changed(reading.path)
        for _ in 0..<FileState.tries {
            do throws(HubError) {
                let before = try await look(reading)
                let (stored, fault) = await store(before.content.files, in: bucket, for: owner, uploader: uploader)
                others += stored.map(\.blob.id)
                let after = try await look(reading)
                let isSame = after.isSame(as: before)
                if isSame, fault == nil { return (stored, others, nil) }
                // A file that has gone is no fault of what is there now.
                if let fault, !fault.isChange, isSame || fault.code != .invalidInput { return ([], others, fault) }
                failure = .changed(after.difference(from: before) ?? reading.path)
            } catch {
                return ([], others, error)
            }
        }
        return ([], others, failure)
    }

    private func look(_ reading: Content.Reading) async throws(HubError) -> LocalContentState {
        do {
            let state = try await client.work { try LocalContentState(reading) }
            if state.unsureFor > .zero { try await Task.sleep(for: state.unsureFor) }
            return state
        } catch {
            throw HubError(transfer: error)
        }
    }
}

/// What is found at a place, and what tells whether it changes.
private struct LocalContentState: Sendable {
    let content: Content
    private let states: [FileState?]

    /// Blocks.
    init(_ reading: Content.Reading) throws(HubError) {
        content = try reading.again()
        try content.validate()
        // The pieces of one file share its state.
        let paths = content.files.compactMap { if case .file(let path) = $0.source { path } else { nil } }
        states = (paths.isEmpty ? [reading.path] : paths).map { FileState($0) }
    }

    var unsureFor: Duration { states.lazy.compactMap { $0?.unsureFor }.max() ?? .zero }

    func isSame(as other: LocalContentState) -> Bool { difference(from: other) == nil && states == other.states }

    /// The path of the first file that is new, gone or changed; `nil` where none is, or the pieces of one are.
    func difference(from other: LocalContentState) -> String? {
        let (mine, theirs) = (content.files, other.content.files)
        for (index, file) in (mine.count < theirs.count ? theirs : mine).enumerated() {
            let isThere =
                index < mine.count && index < theirs.count && mine[index].path.bytes == theirs[index].path.bytes
            let isWritten = states.count == mine.count && isThere && states[index] != other.states[index]
            if !isThere || isWritten, case .file(let path) = file.source { return path }
        }
        return nil
    }
}

extension Content {
    /// - Parameter again: Looks once more at what lies there.
    init(
        kind: Kind,
        files: [SourceFile],
        form: String? = nil,
        at path: String,
        again: @escaping @Sendable () throws(HubError) -> Content
    ) {
        self.init(kind: kind, files: files, form: form)
        reading = Reading(path: path, again: again)
    }
}
