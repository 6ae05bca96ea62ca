import Glibc
import MongoDriver
import Threads

/// Runs a Python program with the `python3` on PATH, which has pymongo after `scripts/setup`, and returns what it
/// printed.
///
/// - Parameter arguments: Without quotes in them.
public func runPython(_ program: String, _ arguments: [String] = []) async throws -> String {
    try await withTemporaryDirectory { folder in
        try writeFile("\(folder)/program.py", program)
        let words = ["python3", "\(folder)/program.py"] + arguments
        let command = words.map { "'\($0)'" }.joined(separator: " ") + " 2>'\(folder)/error'"
        let result: Result<String, any Error> = await withCheckedContinuation { continuation in
            let isStarted = BlockingThread.start(name: "python") {
                continuation.resume(returning: Result { try runShell(command) })
            }
            if !isStarted { continuation.resume(returning: .failure(TestResourceError(message: "no thread"))) }
        }
        do {
            return try result.get()
        } catch {
            let text = (try? String(decoding: readFile("\(folder)/error"), as: UTF8.self)) ?? ""
            throw TestResourceError(message: "python3: \(error) \(text)")
        }
    }
}

private func runShell(_ command: String) throws -> String {
    guard let pipe = popen(command, "r") else { throw TestResourceError(message: "cannot start a shell") }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while case let count = fread(&buffer, 1, buffer.count, pipe), count > 0 { bytes += buffer[..<count] }
    let status = pclose(pipe)
    guard status == 0 else { throw TestResourceError(message: "status \(status)") }
    return String(decoding: bytes, as: UTF8.self)
}
