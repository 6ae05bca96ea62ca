import Console
import Glibc

/// The programs of one build of TensorHub, as they lie beside each other.
struct BenchBuild: Sendable {
    let daemon: String
    let supervisor: String

    /// - Parameter role: Names the folder where a program is missing.
    /// - Throws: A failure that names the missing program.
    init(folder: String, role: String) throws(CommandFailure) {
        daemon = try Self.program("\(folder)/tensorhubd", role)
        supervisor = try Self.program("\(folder)/tensorhub-supervisor", role)
    }

    /// The absolute path of a program.
    static func program(_ path: String, _ role: String) throws(CommandFailure) -> String {
        guard access(path, X_OK) == 0, let absolute = realpath(path, nil) else {
            throw .badInput("\(role): there is no program \(path)")
        }
        defer { free(absolute) }
        return String(cString: absolute)
    }
}
