import BSON
import Console
import Files
import Glibc
import TensorHub

/// A file or folder that travels with a task: `PATH` or `PATH=NAME`; one whose own name has an equals sign is found
/// whole first.
enum SentFile {
    /// What no script needs, and what may be large.
    private static let skipped: Set<ByteString> = [".git", "__pycache__"]

    static func read(_ text: String) throws(CommandFailure) -> [TaskFile] {
        var path = text
        var name: String?
        if let (before, behind) = text.bytes.cut(atLast: "="), !InputFile.exists(text) {
            (path, name) = (before, behind)
        }
        let own = path.bytes.split(separator: "/").last?.text ?? path
        guard isFolder(path) else { return [try file(path, as: name ?? own)] }
        // A folder given as `.` or `..` brings its contents.
        let root = name ?? ([".", ".."].hasBytes(of: own) ? "" : own)
        var files: [TaskFile] = []
        var size = 0
        try add(path, as: root, to: &files, &size, root: path)
        if files.isEmpty { throw .badInput("file: the folder \(path) has no files") }
        return files
    }

    private static func add(
        _ path: String,
        as name: String,
        to files: inout [TaskFile],
        _ size: inout Int,
        root: String
    ) throws(CommandFailure) {
        let entries: [[UInt8]]
        do { entries = try LocalFolder.names(in: path) } catch { throw .badInput("file: \(error.description)") }
        for entry in entries.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            guard let own = String(validating: entry, as: UTF8.self) else {
                let shown = String(decoding: entry, as: UTF8.self)
                throw .badInput("file: the name '\(shown)' in \(path) is no UTF-8; rename the file")
            }
            if skipped.contains(own.bytes) { continue }
            let inner = name.isEmpty ? own : "\(name)/\(own)"
            if isFolder("\(path)/\(own)") {
                try add("\(path)/\(own)", as: inner, to: &files, &size, root: root)
                continue
            }
            let next = try file("\(path)/\(own)", as: inner)
            size += next.data.count
            if size > TaskSpec.maximumTaskSize {
                throw .badInput(
                    "file: the folder \(root) has more than the \(TaskSpec.maximumTaskSize) bytes of a task; send less, "
                        + "store it as a data set, or name a folder of the runners' with --cwd"
                )
            }
            files.append(next)
        }
    }

    private static func file(_ path: String, as name: String) throws(CommandFailure) -> TaskFile {
        let file = try InputFile(path, role: "file", limit: TaskSpec.maximumDocumentSize)
        return TaskFile(path: name, mode: file.mode, data: file.bytes)
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}
