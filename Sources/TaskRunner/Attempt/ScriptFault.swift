import BSON
import Files
import Glibc

/// The exception that has ended a Python script, as the Python client has written it down (`tensorhub/fault.py`): it
/// has decided by the exception's type.
struct ScriptFault: Sendable, Equatable {
    /// What the script fails with wherever it runs; `nil` where the machine is at fault.
    var ownError: String?
    /// What the machine does not have, as ``HostLack/what`` has it; `nil` where the script is at fault.
    var lack: String?

    /// A text of an exception is no longer than that, in characters.
    static let longest = 300

    /// Nil for what is no such file: the script may have written it.
    init?(json: [UInt8]) {
        guard let document = try? BSONDocument(extendedJSON: json, options: .init(plain: true)) else { return nil }
        func text(_ key: String) -> String? {
            document[key]?.stringValue.flatMap { $0.isEmpty ? nil : String($0.prefix(Self.longest)) }
        }
        guard let type = text("type") else { return nil }
        let message = text("message").map { "\(type): \($0)" } ?? type
        switch text("kind") {
        case "script": ownError = message + (document["line"]?.intValue.map { " (line \($0))" } ?? "")
        case "module":
            let name = text("name")
            let isMissing = type.bytes == "ModuleNotFoundError"
            if let name, isMissing {
                lack = "no module \(name)"
            } else {
                lack = "no module\(name.map { " \($0)" } ?? "") that can be imported (\(message))"
            }
        case "file": lack = text("path").map { "no file \($0)" } ?? "no file that is asked for (\(message))"
        default: return nil
        }
    }

    /// What a machine does not have on which a program could not be executed.
    ///
    /// - Parameter number: errno.
    static func lack(ofStart number: Int32?, _ error: String?) -> String? {
        guard let number, [ENOENT, ENOTDIR, EACCES, ENOEXEC, ELOOP].contains(number) else { return nil }
        return "no program that can be started (\(error ?? "error \(number)"))"
    }
}
