import Console
import Files
import Glibc

/// The token of a server over TCP, in a file that only its user can read.
enum ServeToken {
    /// Reads it; makes it where there is none.
    static func readOrMake(_ path: String) throws(CommandFailure) -> String {
        let made = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        if made >= 0 {
            defer { close(made) }
            let token = (0..<4).map { _ in hexadecimal(UInt64.random(in: .min ... .max)) }.joined()
            let line = Array((token + "\n").utf8)
            guard write(made, line, line.count) == line.count else {
                let reason = FileError.reason()
                unlink(path)
                throw .badInput("token-file: \(path) cannot be written: \(reason)")
            }
            return token
        }
        guard errno == EEXIST else {
            throw .badInput(
                "token-file: \(path) cannot be made: \(FileError.reason()); name a file in a folder of yours"
            )
        }
        let file = try InputFile(path, role: "token-file", limit: 4096)
        if file.mode & 0o077 != 0 {
            throw .badInput("token-file: others can read \(path); give it mode 0600, or remove it to get a new one")
        }
        let token = String(decoding: file.text, as: UTF8.self).filter { !$0.isWhitespace }
        if token.utf8.count < 16 {
            throw .badInput("token-file: \(path) has no token of at least 16 characters; remove it to get one")
        }
        return token
    }

    private static func hexadecimal(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
