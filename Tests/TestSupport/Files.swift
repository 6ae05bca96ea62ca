import Glibc

/// Writes a file whole, or throws the system's error.
public func writeFile(_ path: String, _ text: String) throws { try writeFile(path, Array(text.utf8)) }

/// The same of bytes.
public func writeFile(_ path: String, _ bytes: [UInt8]) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw FileError(path: path, number: errno) }
    defer { close(descriptor) }
    guard write(descriptor, bytes, bytes.count) == bytes.count else { throw FileError(path: path, number: errno) }
}

/// The bytes of a file.
public func readFile(_ path: String) throws -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError(path: path, number: errno) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while case let count = read(descriptor, &buffer, buffer.count), count != 0 {
        guard count > 0 else { throw FileError(path: path, number: errno) }
        bytes += buffer[..<count]
    }
    return bytes
}

/// The lines of a text file, without the empty last one.
public func readLines(_ path: String) throws -> [String] {
    String(decoding: try readFile(path), as: UTF8.self).split(separator: "\n").map(String.init)
}

/// What the system said of a file.
struct FileError: Error, CustomStringConvertible {
    var path: String
    var number: Int32
    public var description: String { "\(path): \(String(cString: strerror(number)))" }
}
