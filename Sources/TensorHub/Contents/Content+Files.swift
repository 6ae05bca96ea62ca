import BSON
import Files
import Glibc

/// Making content of what lies on the disk. Nothing is read before it is stored, but for the names.
extension Content {
    /// One file.
    ///
    /// - Parameters:
    ///   - path: Where it lies.
    ///   - name: Its name in the data set; the last part of the path unless given.
    ///   - pieceSize: Bytes: a larger file is cut into pieces of that size, each a file of its own (`NAME.000000`,
    ///     ...), so that several runners read their shards of it at once. Joined in order they are the file.
    /// - Throws: `HubError.invalidInput` of field `files` or `piece_size`.
    public static func file(_ path: String, as name: String? = nil, pieceSize: Int64? = nil) throws(HubError) -> Content
    {
        let status = try FileStatus(path)
        if status.isFolder {
            throw .invalid("files", "\(path) is a folder; store it as a folder, or name a file in it")
        }
        if !status.isFile { throw .invalid("files", "\(path) is no regular file; copy what it gives into one") }
        let name = name ?? lastPart(path)
        guard let pieceSize else {
            return Content(
                kind: .file,
                files: [SourceFile(path: name, mode: status.mode, source: .file(path))],
                at: path
            ) { () throws(HubError) in try .file(path, as: name) }
        }
        if pieceSize < smallestPiece {
            throw .invalid(
                "piece_size",
                "the piece size is \(pieceSize); it must be at least \(smallestPiece) bytes, 16 MiB or more is good"
            )
        }
        let count = max(1, (status.size + pieceSize - 1) / pieceSize)
        if count > mostPieces {
            throw .invalid(
                "piece_size",
                "\(path) has \(status.size) bytes, \(count) pieces of \(pieceSize), and the limit is \(mostPieces); "
                    + "make them larger"
            )
        }
        if count == 1 {
            return try .file(path, as: name)
        }
        let pieces = (0..<count).map { index in
            let range = index * pieceSize..<min((index + 1) * pieceSize, status.size)
            let number = String(index)
            let digits = String(repeating: "0", count: max(0, 6 - number.count)) + number
            return SourceFile(
                path: "\(name).\(digits)",
                mode: status.mode,
                source: .stream(FileSection.stream(path, range))
            )
        }
        return Content(kind: .file, files: pieces, at: path) { () throws(HubError) in
            try .file(path, as: name, pieceSize: pieceSize)
        }
    }

    /// All files below a folder, ordered by their paths. Folders that are empty are left out.
    ///
    /// - Throws: `HubError.invalidInput` of field `files` for a symbolic link, a pipe, a device or a socket in it, for
    ///   what cannot be read, and for a folder without files.
    public static func folder(_ path: String) throws(HubError) -> Content {
        if !(try FileStatus(path)).isFolder { throw .invalid("files", "\(path) is no folder; store it as a file") }
        var files: [SourceFile] = []
        var waiting = [""]
        while let below = waiting.popLast() {
            let folder = below.isEmpty ? path : "\(path)/\(below)"
            for name in try names(in: folder) {
                let part = below.isEmpty ? name : "\(below)/\(name)"
                let place = "\(path)/\(part)"
                let status = try FileStatus(place, followingLinks: false)
                if status.isFolder {
                    waiting.append(part)
                } else if status.isFile {
                    files.append(SourceFile(path: part, mode: status.mode, source: .file(place)))
                } else {
                    throw .invalid(
                        "files",
                        "\(place) is \(status.isLink ? "a symbolic link" : "no regular file"); replace it by what it "
                            + "stands for, as `cp -rL` does, or take it out of the folder"
                    )
                }
            }
        }
        if files.isEmpty { throw .invalid("files", "\(path) has no file in it; name a folder with at least one") }
        return Content(kind: .folder, files: files.sorted { $0.path.bytes < $1.path.bytes }, at: path) {
            () throws(HubError) in try .folder(path)
        }
    }

    /// Named arrays, each a `.npy` or `.npz` file, in the order given.
    ///
    /// - Throws: `HubError.invalidInput` of field `files`, also where a file is none of the two.
    public static func arrays(_ paths: [String], form: String? = nil) throws(HubError) -> Content {
        var files: [SourceFile] = []
        for path in paths {
            let status = try FileStatus(path)
            if !status.isFile { throw .invalid("files", "\(path) is no regular file; name .npy and .npz files") }
            let head = try FileSection.head(path, 6)
            if head != Array("\u{93}NUMPY".unicodeScalars.map { UInt8($0.value) }) && head.prefix(2) != [0x50, 0x4B] {
                throw .invalid(
                    "files",
                    "\(path) is neither a .npy nor a .npz file; write it by numpy.save or numpy.savez, or store it as a file"
                )
            }
            files.append(SourceFile(path: lastPart(path), mode: status.mode, source: .file(path)))
        }
        let content = Content(kind: .arrays, files: files, form: form, at: paths[0]) { () throws(HubError) in
            try .arrays(paths, form: form)
        }
        try content.validate()
        return content
    }

    /// One file, as its bytes come.
    public static func stream(_ stream: AsyncThrowingStream<[UInt8], any Error>, as name: String) -> Content {
        Content(kind: .file, files: [SourceFile(path: name, source: .stream(stream))])
    }

    /// One file of these bytes.
    public static func bytes(_ bytes: [UInt8], as name: String) -> Content {
        Content(kind: .file, files: [SourceFile(path: name, source: .bytes(bytes))])
    }

    /// Bytes.
    static let smallestPiece: Int64 = 64 * 1024
    /// So many fit into a document.
    static let mostPieces: Int64 = 50_000

    private static func lastPart(_ path: String) -> String {
        path.bytes.split(separator: "/").last?.text ?? path
    }

    private static func names(in folder: String) throws(HubError) -> [String] {
        let found = try FileStatus.naming(folder) { () throws(FileError) in try LocalFolder.names(in: folder) }
        var names: [String] = []
        for bytes in found {
            guard let name = String(validating: bytes, as: UTF8.self) else {
                throw .invalid(
                    "files",
                    "\(folder) has a file whose name is not UTF-8, \(String(decoding: bytes, as: UTF8.self).debugDescription); "
                        + "rename it"
                )
            }
            names.append(name)
        }
        return names
    }
}

/// What the system says of a file.
struct FileStatus {
    private let type: mode_t
    let mode: Int32
    let size: Int64

    var isFile: Bool { type == S_IFREG }
    var isFolder: Bool { type == S_IFDIR }
    var isLink: Bool { type == S_IFLNK }

    /// - Throws: `HubError.invalidInput` of field `files` that says what to do.
    init(_ path: String, followingLinks: Bool = true) throws(HubError) {
        if path.utf8.contains(0) { throw .invalid("files", "the path \(path.debugDescription) holds a NUL character") }
        var status = stat()
        let result = followingLinks ? stat(path, &status) : lstat(path, &status)
        guard result == 0 else { throw Self.fault(path, errno) }
        type = status.st_mode & S_IFMT
        mode = Int32(status.st_mode & 0o777)
        size = Int64(status.st_size)
    }

    static func naming<Value>(
        _ path: String,
        _ body: () throws(FileError) -> Value
    ) throws(HubError) -> Value {
        do throws(FileError) { return try body() } catch { throw fault(path, error.number) }
    }

    static func fault(_ path: String, _ number: Int32) -> HubError {
        switch number {
        case ENOENT, ENOTDIR: .invalid("files", "\(path) does not exist; give the path of a file or folder")
        case EACCES: .invalid("files", "\(path) cannot be read: permission denied; make it readable for you")
        default: .invalid("files", "\(path) cannot be read: \(FileError.reason(number))")
        }
    }
}
