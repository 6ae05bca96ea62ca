import Files
import Glibc

/// A small file that other commands may read at any time.
package enum TextFile {
    /// Replaces the file at once, never in part.
    package static func write(_ text: String, to path: String) throws(CommandFailure) {
        let temporary = path + ".new"
        guard let file = fopen(temporary, "we") else { throw failure(path) }
        fputs(text, file)
        guard fclose(file) == 0, rename(temporary, path) == 0 else { throw failure(path) }
    }

    private static func failure(_ path: String) -> CommandFailure {
        CommandFailure.failure("\(path) cannot be written: \(FileError.reason())")
    }
}
