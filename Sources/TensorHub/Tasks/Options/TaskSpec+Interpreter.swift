import BSON

extension TaskSpec {
    /// What a script is started with, decided where the file's name is known.
    ///
    /// - Returns: What to store: `nil` where the script's first line says it.
    /// - Throws: `HubError.invalidInput` where nothing says it.
    package static func interpreter(
        _ given: String?,
        script: [UInt8],
        path: String
    ) throws(HubError) -> String? {
        if let given { return given }
        if script.starts(with: Array("#!".utf8)) {
            let line = script.dropFirst(2).prefix { $0 != UInt8(ascii: "\n") }
            if line.allSatisfy({ [0x20, 0x09, 0x0D].contains($0) }) {
                throw .invalid(
                    "script",
                    "script: the first line of \(path) names no program; write #!/usr/bin/env python3"
                )
            }
            return nil
        }
        if path.bytes.hasSuffix(".py") { return "python3" }
        if path.bytes.hasSuffix(".sh") { return "sh" }
        throw .invalid(
            "script",
            "script: nothing says what runs \(path); begin it with a line such as #!/usr/bin/env python3, "
                + "name it .py or .sh, or give --interpreter"
        )
    }

    /// What a script's file is called, by its path; `nil` where it has no name, as standard input.
    package static func scriptName(of path: String) -> String? {
        guard let name = path.bytes.split(separator: "/").last?.text, name.utf8.count <= 255 else { return nil }
        return ["-", ".", ".."].hasBytes(of: name) || name.utf8.contains(0) ? nil : name
    }
}
