import ArgumentParser
import BSON
import Console
import Files
import Glibc
import TensorHub

/// Where `get` puts what it fetches.
struct ContentTarget: ParsableArguments {
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "A file or folder, - for standard output; in the current folder under its own name unless given.",
            discussion: "A path that ends in a slash is a folder, made where it is not there.",
            valueName: "path"
        ),
        completion: .file()
    )
    var output: String?

    @Option(help: "Of several files, that one alone.")
    var file: String?

    @Flag(help: "Replace a file that is there.")
    var force = false

    @Flag(help: "Write the document and where the files are as relaxed Extended JSON.")
    var json = false

    @OptionGroup var connection: ConnectionOptions

    /// What was found, for a data set and a model alike.
    struct Found {
        /// `data set 'mnist' version 3`.
        var title: String
        var name: String
        var document: BSONDocument
        var kind: Content.Kind?
        /// Those that are wanted, and how many there are.
        var files: [StoredFile]
        var total: Int
        /// Whether they are a shard, which is a folder, however few files it has.
        var isShard = false
        var bucket: BlobBucket
        /// Puts those that are wanted below a folder.
        var download: (String) async throws -> LocalContent
    }

    func fetch(_ found: Found, _ hub: Hub) async throws {
        RetainedMemory.begin()
        var found = found
        if let file {
            guard let one = found.files.first(where: { $0.path.bytes == file.bytes }) else {
                throw CommandFailure.nothingMatched("\(found.title) has no file '\(file)'; `show` lists its files")
            }
            found.files = [one]
        }
        if found.files.isEmpty {
            throw CommandFailure.nothingMatched("\(found.title) has no files: it is an architecture alone")
        }
        // The pieces of one file, all of them, are that file.
        let isWhole = found.kind == .file && found.files.count == found.total
        // A folder is one however few files it has; a file of it that was asked for by its path is a file.
        let isFolder = file == nil && (found.kind == .folder || found.isShard)
        let isOne = (found.files.count == 1 && !isFolder) || isWhole
        let local: [String]
        if output == "-" {
            if !isOne && found.files.count != 1 {
                throw CommandFailure.badInput(
                    "\(found.title) has \(counted(found.files.count, "file")), and standard output is one; choose one "
                        + "with --file, or give a folder to -o"
                )
            }
            if found.kind == .folder && file == nil {
                throw CommandFailure.badInput(
                    "\(found.title) is a folder, and standard output is one file; choose it with "
                        + "--file '\(TerminalText.oneLine(found.files[0].path))', or give a folder to -o"
                )
            }
            if json { throw CommandFailure.badInput("--json and -o - exclude each other; give one") }
            for file in found.files { try await ContentStream.write(file, found, hub) { StandardOutput.write($0) } }
            StandardError.line(found.title)
            return
        }
        if isOne && !isFolder {
            local = [try await fetchFile(found, isJoined: isWhole && found.files.count > 1, hub)]
        } else {
            let folder = output ?? found.name
            if !folder.isEmpty { try Self.checkName(folder, given: output != nil) }
            let content = try await found.download(folder)
            local = content.files.map(\.localPath)
            if !json { StandardOutput.receipt(content.folder + "\n") }
        }
        if json {
            let places = BSONValue.array(local.map(BSONValue.string))
            StandardOutput.receipt(
                BSONDocument(elements: [("document", .document(found.document)), ("files", places)]).extendedJSON(
                    pretty: true
                ) + "\n"
            )
        } else if isOne && !isFolder {
            StandardOutput.receipt(local[0] + "\n")
        }
        StandardError.line("\(found.title): \(ByteText.of(found.files.totalLength))")
    }

    /// One file, or one that is joined of its pieces, at once or not at all.
    private func fetchFile(_ found: Found, isJoined: Bool, _ hub: Hub) async throws -> String {
        let path = try place(found, isJoined: isJoined)
        let folder = try PartialFolder(beside: path)
        defer { folder.remove() }
        let partial = "\(folder.path)/data"
        if isJoined {
            try await join(found, to: partial, hub)
        } else {
            try await Self.download(found.files[0], of: found, to: partial, hub)
        }
        chmod(partial, mode_t(found.files[0].mode & 0o777))
        guard rename(partial, path) == 0 else { throw Self.failure(path) }
        return path
    }

    /// Where a file goes that was asked for as `output`.
    private func place(_ found: Found, isJoined: Bool) throws -> String {
        var own = found.files[0].path.bytes.split(separator: "/").last?.text ?? found.name
        if isJoined, let (whole, _) = own.bytes.cut(atLast: ".") { own = whole }
        var path = output ?? own
        if output == nil { try Self.checkName(own, given: false) }
        if InputFile.isFolder(path) || path.bytes.hasSuffix("/") {
            try Self.checkName(own, given: false)
            let folder = path
            do {
                try LocalFolder.make(folder, mode: 0o777)
            } catch {
                throw CommandFailure.failure("-o \(folder) cannot be made: \(error.reason)")
            }
            path = folder.bytes.hasSuffix("/") ? folder + own : "\(folder)/\(own)"
        }
        if InputFile.isFolder(path) {
            throw CommandFailure.badInput("\(path) is a folder; name a file with -o")
        }
        var status = stat()
        if !force, lstat(path, &status) == 0 {
            throw CommandFailure.badInput("\(path) is there already; give --force to replace it, or another path to -o")
        }
        return path
    }

    private static func download(_ file: StoredFile, of found: Found, to path: String, _ hub: Hub) async throws {
        do {
            try await hub.downloadBlob(file.blob, in: found.bucket, to: path)
        } catch {
            throw error.naming(file).naming(found.title)
        }
    }

    /// All pieces, one after the other, in a new file.
    private func join(_ found: Found, to path: String, _ hub: Hub) async throws {
        guard let target = fopen(path, "wxe") else { throw Self.failure(path) }
        var failure: (any Error)?
        do {
            for file in found.files {
                try await ContentStream.write(file, found, hub) { bytes in
                    if fwrite(bytes, 1, bytes.count, target) != bytes.count { throw Self.failure(path) }
                }
            }
        } catch {
            failure = error
        }
        if fclose(target) != 0, failure == nil { failure = Self.failure(path) }
        if let failure { throw failure }
    }

    /// A name that comes from the database must not lead out of the current folder.
    private static func checkName(_ name: String, given: Bool) throws {
        if given || (StoredFile.isRelative(name) && !name.bytes.contains("/")) { return }
        throw CommandFailure.badInput(
            "the stored name \(name.debugDescription) cannot be a file here; give one with -o"
        )
    }

    private static func failure(_ path: String) -> CommandFailure {
        CommandFailure.failure("\(path) cannot be written: \(FileError.reason())")
    }
}
