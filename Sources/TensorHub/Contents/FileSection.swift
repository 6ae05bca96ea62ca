import Files
import Glibc

/// A part of a file.
enum FileSection {
    /// The first bytes of a file; fewer where it has fewer.
    static func head(_ path: String, _ count: Int) throws(HubError) -> [UInt8] {
        try FileStatus.naming(path) { () throws(FileError) in try OpenFile(path).read(at: 0, upTo: count) }
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
        let bytes = try FileStatus.naming(path) { () throws(FileError) in
            if file == nil { file = try OpenFile(path) }
            return try file?.read(at: rest.lowerBound, upTo: Int(min(rest.upperBound - rest.lowerBound, 1 << 20))) ?? []
        }
        if bytes.isEmpty {
            throw HubError.changed(path)
        }
        rest = rest.lowerBound + Int64(bytes.count)..<rest.upperBound
        return bytes
    }
}
