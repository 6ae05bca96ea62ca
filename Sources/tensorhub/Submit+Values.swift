import BSON
import Console
import MongoDriver
import Settings
import TensorHub

extension Submit {
    static func duration(_ text: String?, _ flag: String) throws(CommandFailure) -> Duration? {
        guard let text else { return nil }
        guard let duration = Quantity.duration(text) else {
            throw .badInput("\(flag) '\(text)' is no length of time; write 90s, 30m, 2h or 1d")
        }
        return duration
    }

    /// `+2h` counts from the server's clock, by which tasks become due.
    static func time(_ text: String, _ flag: String, _ hub: Hub) async throws -> BSONDateTime {
        if let time = BSONDateTime(iso8601: text) { return time }
        guard text.hasPrefix("+"), let delay = Quantity.duration(String(text.dropFirst())) else {
            throw CommandFailure.badInput("\(flag) '\(text)' is no time; write 2026-08-01T09:00:00Z or +2h")
        }
        let now = try await hub.database.runCommand(["hello": 1])["localTime"]?.dateTimeValue ?? .now
        return BSONDateTime(millisecondsSince1970: now.millisecondsSince1970 + Int64(delay / .milliseconds(1)))
    }

    /// `PATH` or `PATH=NAME`; a file whose own name has an equals sign is found whole first.
    static func file(_ text: String) throws(CommandFailure) -> TaskFile {
        var path = text
        var name: String?
        if let equals = text.lastIndex(of: "="), !InputFile.exists(text) {
            path = String(text[..<equals])
            name = String(text[text.index(after: equals)...])
        }
        let file = try InputFile(path, role: "file", limit: TaskSpec.maximumDocumentSize)
        let own = path.split(separator: "/").last.map(String.init) ?? path
        return TaskFile(path: name ?? own, mode: file.mode, data: file.bytes)
    }
}

/// What a script is started with, decided where the file's name is known.
enum Interpreter {
    /// Returns what to store: `nil` where the script's first line says it.
    static func choose(_ given: String?, script: [UInt8], path: String) throws(CommandFailure) -> String? {
        if let given { return given }
        if script.starts(with: Array("#!".utf8)) {
            let line = script.dropFirst(2).prefix { $0 != UInt8(ascii: "\n") }
            if line.allSatisfy({ [0x20, 0x09, 0x0D].contains($0) }) {
                throw .badInput("script: the first line of \(path) names no program; write #!/usr/bin/env python3")
            }
            return nil
        }
        if path.hasSuffix(".py") { return "python3" }
        if path.hasSuffix(".sh") { return "sh" }
        throw .badInput(
            "script: nothing says what runs \(path); begin it with a line such as #!/usr/bin/env python3, "
                + "name it .py or .sh, or give --interpreter"
        )
    }
}
