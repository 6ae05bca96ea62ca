import BSON
import Files
import Glibc

/// The files of a data set or model that is to be saved.
public struct NewContent: Sendable, Hashable {
    /// How a reader gets it: the one file, a folder, or arrays of NumPy in one or several files.
    public enum Kind: String, Sendable, Hashable {
        case file, folder, arrays
    }

    public enum Source: Sendable, Hashable {
        case bytes([UInt8])
        /// The path of a local file, which is read piece by piece while it is sent.
        case file(String)
    }

    public struct File: Sendable, Hashable {
        /// Relative, in the data set or model.
        public var path: String
        public var source: Source

        public init(path: String, source: Source) {
            self.path = path
            self.source = source
        }
    }

    public var kind: Kind
    public var files: [File] { didSet { folder = nil } }
    /// How the Python client puts arrays together again: `list`, `tuple` or `dict`.
    public var form: String?

    /// Where all its files were found, as they were then.
    private(set) var folder: String?

    public init(kind: Kind, files: [File], form: String? = nil) {
        self.kind = kind
        self.files = files
        self.form = form
    }

    /// The file or folder at a path; a folder with everything below it, in the order of the names.
    ///
    /// - Throws: `localFile` for what is not there, is neither file nor folder, or is a folder without files.
    public init(path: String) throws(ScriptError) {
        var status = stat()
        guard stat(path, &status) == 0 else { throw ScriptError(FileError("open", path)) }
        if status.st_mode & S_IFMT == S_IFDIR {
            let files = try Self.walk(path, "")
            guard !files.isEmpty else { throw ScriptError(.localFile, "the folder '\(path)' has no files") }
            self.init(kind: .folder, files: files)
            folder = path
            return
        }
        let name = path.bytes.split(separator: "/").last?.text ?? path
        self.init(kind: .file, files: [File(path: name, source: .file(path))])
    }

    private static func walk(_ folder: String, _ prefix: String) throws(ScriptError) -> [File] {
        let found = try ScriptError.ofFiles { () throws(FileError) in try LocalFolder.names(in: folder) }
        var names: [String] = []
        for bytes in found {
            guard let name = String(validating: bytes, as: UTF8.self) else {
                let shown = String(decoding: bytes, as: UTF8.self).debugDescription
                throw ScriptError(.localFile, "'\(folder)' has a file whose name is not UTF-8, \(shown); rename it")
            }
            names.append(name)
        }
        var files: [File] = []
        for name in names.sortedByBytes() {
            let path = "\(folder)/\(name)"
            var status = stat()
            guard lstat(path, &status) == 0 else { throw ScriptError(FileError("open", path)) }
            // A link to a folder might lead back into this one.
            if status.st_mode & S_IFMT == S_IFDIR {
                files += try walk(path, "\(prefix)\(name)/")
            } else {
                files.append(File(path: prefix + name, source: .file(path)))
            }
        }
        return files
    }
}
