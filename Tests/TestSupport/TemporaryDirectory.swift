import Glibc
import Synchronization

/// Lends the path of a new folder, which is removed with everything in it afterwards.
public func withTemporaryDirectory<Value>(_ body: (_ path: String) async throws -> Value) async throws -> Value {
    let path = try makeTemporaryDirectory("test")
    defer { removeTree(path) }
    return try await body(path)
}

/// Why a test did not get what it needs from the system.
struct TestResourceError: Error {
    var message: String
}

var temporaryRoot: String { getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp" }

func makeTemporaryDirectory(_ purpose: String) throws -> String {
    let root = temporaryRoot
    var template = Array("\(root)/tensorhub-\(purpose)-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
        throw TestResourceError(message: "\(root): \(String(cString: strerror(errno)))")
    }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// Removes a file or a folder with everything in it; what is not there is no error.
public func removeTree(_ path: String) {
    var status = stat()
    if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
        for name in entries(path) { removeTree("\(path)/\(name)") }
    }
    remove(path)
}

/// The names in a folder, without `.` and `..`.
public func entries(_ folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        names.append(
            withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        )
    }
    return names.filter { $0 != "." && $0 != ".." }
}

private let foldersToRemove = Mutex<[String]>([])

private let isExitHandled: Bool = {
    atexit { for folder in foldersToRemove.withLock({ $0 }) { removeTree(folder) } } == 0
}()

/// Removes the folder when the process ends in order; the files of a process that is killed stay behind.
func removeAtExit(_ folder: String) {
    _ = isExitHandled
    foldersToRemove.withLock { $0.append(folder) }
}
