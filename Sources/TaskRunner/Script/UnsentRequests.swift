import BSON
import Files
import Glibc
import TensorHub

/// `journal/unsent.jsonl`: what a client wrote down because nobody answered it up to the script's end, an
/// `UnsentRequest` a line: `{"path": ..., "body": ...}`.
///
/// Read once the script has ended, by whichever runner reports it. Blocks: for pool threads only.
struct UnsentRequests: Sendable {
    let backend: AttemptBackend

    /// Bytes: a longer line is no request.
    static let lineLimit = 32 << 20

    /// What was found and could not be used.
    struct Outcome: Sendable {
        var records: [OutboxRecord] = []
        var faults: [Fault] = []
        /// Entries of logs so far.
        var entries: UInt64 = 0
    }

    /// Why something of a line could not be used: a request, or so many entries of a log.
    struct Fault: Sendable {
        var message: String
        var count = 1
    }

    /// Merges the results, lends the logs in portions of about 1 MiB, and removes the file.
    ///
    /// - Returns: Why some lines, or parts of them, could not be used.
    /// - Throws: What the disk says; the file is to be kept then.
    func take(_ lend: ([OutboxRecord]) throws -> Void) throws -> [Fault] {
        let (state, path) = (backend.directory.state, backend.directory.unsentPath)
        let file: Int32
        do throws(FileError) { file = try state.openRegular(path, O_RDONLY) } catch {
            // There is none, or the script has put something else there.
            if error.mayPass { throw error }
            return []
        }
        defer { close(file) }
        var outcome = Outcome()
        var rest: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: Outbox.readSize)
        var isSkipping = false
        while true {
            let count = buffer.withUnsafeMutableBytes { OpenFile.read(file, $0, at: nil) }
            guard count >= 0 else { throw FileError("read", path) }
            if count == 0 { break }
            for piece in buffer[..<count].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
                .enumerated()
            {
                // All but the first piece follow a line end.
                if piece.offset > 0 {
                    if !isSkipping { try take(rest, &outcome) }
                    rest = []
                    isSkipping = false
                }
                if isSkipping { continue }
                rest += piece.element
                if rest.count > Self.lineLimit {
                    outcome.faults.append(Fault(message: "a line is longer than \(Self.lineLimit) bytes"))
                    rest = []
                    isSkipping = true
                }
            }
            if !outcome.records.isEmpty {
                try lend(outcome.records)
                outcome.records = []
            }
        }
        // Left there, it would be taken once more, which changes nothing.
        try? state.remove(path)
        // A line without an end was cut off with its script.
        return outcome.faults
    }

    private func take(_ line: [UInt8], _ outcome: inout Outcome) throws {
        if line.isEmpty { return }
        do {
            guard case .document(let request) = try BSONValue(extendedJSON: line, options: .nonFinite),
                let path = request["path"]?.stringValue
            else {
                outcome.faults.append(Fault(message: "a line is no request"))
                return
            }
            switch UnsentRequest(path: path, body: request["body"]) {
            case .results(let results): try backend.merge(results)
            case .logs(let kind, let entries): take(entries, of: kind, &outcome)
            case .nothing: break
            case nil: outcome.faults.append(Fault(message: "'\(path)' cannot be sent later"))
            }
        } catch let error as FileError {
            throw error
        } catch {
            outcome.faults.append(Fault(message: "\(error)"))
        }
    }

    /// One bad entry does not take the good ones beside it with it.
    private func take(_ entries: [BSONValue], of kind: LogKind, _ outcome: inout Outcome) {
        let start = outcome.entries
        outcome.entries += UInt64(entries.count)
        let entries = entries.enumerated().map { index, entry in identified(entry, start + UInt64(index)) }
        let values = entries.compactMap(\.documentValue)
        if values.count == entries.count, let records = try? backend.records(kind, values) {
            outcome.records += records
            return
        }
        var fault: Fault?
        for (index, entry) in entries.enumerated() {
            do throws(HubError) {
                guard let value = entry.documentValue else {
                    throw HubError(.invalidInput, "it is no object")
                }
                outcome.records += try backend.records(kind, [value])
            } catch {
                let first = Fault(message: "log entry \(index + 1) of \(entries.count): \(error)", count: 0)
                fault = fault ?? first
                fault?.count += 1
            }
        }
        if let fault { outcome.faults.append(fault) }
    }

    /// An entry without `_id` gets one that is the same whenever the file is taken: where the disk lets only a part of
    /// it be written down, all of it is taken once more. The identifiers follow each other as the entries do.
    private func identified(_ entry: BSONValue, _ number: UInt64) -> BSONValue {
        guard var document = entry.documentValue, document["_id"] == nil else { return entry }
        let task = backend.id.task.bytes
        // FNV-1a.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in task + Array("\(backend.id.number) \(number >> 24)".utf8) {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        let tail = (hash << 24) | (number & 0xFF_FFFF)
        let bytes = task.prefix(4) + (0..<8).reversed().map { UInt8(truncatingIfNeeded: tail >> (8 * $0)) }
        if let id = ObjectID(bytes: bytes) { document["_id"] = .objectID(id) }
        return .document(document)
    }
}
