import ArgumentParser
import BSON
import Console
import Settings
import Synchronization
import TensorHub

/// What `put` stores: files that the user names.
struct ContentSource: ParsableArguments {
    @Option(
        help: "Its name; that of the file, without extension, or of the folder unless given.",
        completion: Completion.contents
    )
    var name: String?

    @OptionGroup var tags: TagOptions

    @Option(help: "Cut a file into pieces of this size, such as 64MiB; `get` joins them.")
    var pieceSize: String?

    @Flag(help: "Store standard input also where not a byte comes.")
    var allowEmpty = false

    static let standardInputName = "data"

    /// - Throws: A failure of status 2 that names the path or flag.
    func content(_ paths: [String]) throws -> Content {
        let piece = try pieceSize.map { text in
            guard let bytes = Quantity.bytes(text) else {
                throw CommandFailure.badInput("--piece-size '\(text)' is no size; write 64MiB or 1GiB")
            }
            return Int64(bytes)
        }
        let areArrays = paths.allSatisfy { $0.bytes.hasSuffix(".npy") || $0.bytes.hasSuffix(".npz") }
        if piece != nil && (paths.count > 1 || paths == ["-"]) {
            throw CommandFailure.badInput("--piece-size cuts one file; give the path of one")
        }
        if paths == ["-"] {
            return .stream(try standardInput(), as: name ?? Self.standardInputName)
        }
        if paths.contains("-") {
            throw CommandFailure.badInput("- is standard input, which is one file; give it alone")
        }
        if paths.count > 1 && !areArrays {
            throw CommandFailure.badInput("several files must be .npy or .npz; put others into a folder and name that")
        }
        if InputFile.isFolder(paths[0]) {
            if piece != nil { throw CommandFailure.badInput("--piece-size cuts one file; \(paths[0]) is a folder") }
            return try .folder(paths[0])
        }
        if areArrays && piece == nil { return try .arrays(paths) }
        return try .file(paths[0], pieceSize: piece)
    }

    /// A program that fails before it writes leaves an empty pipe, and nobody sees its status: stored, it would be the
    /// newest version.
    private func standardInput() throws(CommandFailure) -> AsyncThrowingStream<[UInt8], any Error> {
        let first = try StandardInput.chunk()
        if first == nil, !allowEmpty {
            throw .badInput(
                "standard input is empty; nothing was stored. If it is meant to be, give --allow-empty; else look at "
                    + "the program that was to write it"
            )
        }
        let held = Mutex(first)
        return AsyncThrowingStream {
            if let first = held.withLock({ $0.take() }) { return first }
            return first == nil ? nil : try StandardInput.chunk()
        }
    }

    /// - Throws: Where several files or standard input have none.
    func name(of paths: [String]) throws -> String {
        if let name { return name }
        guard paths.count == 1, paths[0] != "-" else { throw CommandFailure.badInput("--name is missing; name it") }
        let last = paths[0].bytes.split(separator: "/").last?.text ?? ""
        if InputFile.isFolder(paths[0]) { return last }
        let stem = last.bytes.cut(atFirst: ".")?.before ?? last
        return stem.isEmpty ? last : stem
    }
}
