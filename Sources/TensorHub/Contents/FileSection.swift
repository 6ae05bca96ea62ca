import Glibc

/// A part of a file.
enum FileSection {
    /// The first bytes of a file; fewer where it has fewer.
    static func head(_ path: String, _ count: Int) throws(HubError) -> [UInt8] {
        let file = try OpenFile(path)
        return try file.read(at: 0, upTo: count)
    }

    /// The bytes of a range, read as they are asked for. The stream fails where the file has become shorter meanwhile.
    static func stream(_ path: String, _ range: Range<Int64>) -> AsyncThrowingStream<[UInt8], any Error> {
        let reader = SectionReader(path: path, range: range)
        return AsyncThrowingStream { try await reader.next() }
    }
}

/// Reads on, one piece at a time. An actor of its own, so that a slow disk holds up nobody else for longer than a read.
private actor SectionReader {
    private let path: String
    private var rest: Range<Int64>
    private var file: OpenFile?

    init(path: String, range: Range<Int64>) {
        self.path = path
        rest = range
    }

    func next() throws(HubError) -> [UInt8]? {
        if rest.isEmpty {
            file = nil
            return nil
        }
        let file: OpenFile
        if let open = self.file { file = open } else { file = try OpenFile(path) }
        self.file = file
        let bytes = try file.read(at: rest.lowerBound, upTo: Int(min(rest.upperBound - rest.lowerBound, 1 << 20)))
        if bytes.isEmpty {
            throw HubError.changed(path)
        }
        rest = rest.lowerBound + Int64(bytes.count)..<rest.upperBound
        return bytes
    }
}

/// A file that is open for reading until the last reference goes.
private final class OpenFile: Sendable {
    private let path: String
    private let descriptor: CInt

    init(_ path: String) throws(HubError) {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0 { throw FileStatus.fault(path, errno) }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func read(at offset: Int64, upTo count: Int) throws(HubError) -> [UInt8] {
        var fault: CInt = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let step = pread(
                    descriptor,
                    buffer.baseAddress! + filled,
                    count - filled,
                    off_t(offset) + off_t(filled)
                )
                if step < 0, errno == EINTR { continue }
                if step < 0 { fault = errno }
                if step <= 0 { return }
                filled += step
            }
        }
        if fault != 0 { throw FileStatus.fault(path, fault) }
        return bytes
    }
}
