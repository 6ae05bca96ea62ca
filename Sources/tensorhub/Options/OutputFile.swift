import Console
import Files
import Glibc

/// A file that the user asked for.
enum OutputFile {
    /// Replaces the file at once, never in part.
    ///
    /// - Throws: A failure of status 1 that names the file.
    static func write(_ bytes: [UInt8], to path: String) throws(CommandFailure) {
        // What is no plain file, a pipe or /dev/stdout, cannot be replaced.
        var status = stat()
        let isSpecial = stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFREG
        let target = isSpecial ? path : "\(path).\(getpid()).new"
        guard let file = fopen(target, "we") else { throw failure(path) }
        let count = fwrite(bytes, 1, bytes.count, file)
        let isWritten = fclose(file) == 0 && count == bytes.count
        if isSpecial {
            if !isWritten { throw failure(path) }
            return
        }
        guard isWritten, rename(target, path) == 0 else {
            let fault = failure(path)
            unlink(target)
            throw fault
        }
    }

    private static func failure(_ path: String) -> CommandFailure {
        CommandFailure.failure("\(path) cannot be written: \(FileError.reason())")
    }
}
