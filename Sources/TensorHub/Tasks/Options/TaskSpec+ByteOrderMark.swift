import BSON

extension TaskSpec {
    /// A byte order mark in front of a script hides its first line from the system and from every shell. Python and
    /// other languages pass over it.
    ///
    /// - Parameters:
    ///   - path: For the message.
    ///   - interpreter: What runs the script; `nil` where its first line is to say it.
    /// - Throws: `HubError.invalidInput` of field `script`.
    package static func checkByteOrderMark(
        _ script: [UInt8],
        interpreter: String?,
        path: String? = nil
    ) throws(HubError) {
        let name = path.map { "script: \($0)" } ?? "the script"
        if ByteOrderMark.isWide(script) {
            throw .invalid("script", "\(name) is UTF-16, which no interpreter reads; save it as UTF-8")
        }
        guard script.starts(with: ByteOrderMark.utf8), interpreter.map(isShell) ?? true else { return }
        throw .invalid(
            "script",
            "\(name) begins with a byte order mark (U+FEFF), which hides its first line; save it as UTF-8 without one"
        )
    }

    private static func isShell(_ interpreter: String) -> Bool {
        interpreter.utf8.split(separator: UInt8(ascii: " ")).contains { word in
            let name = word.split(separator: UInt8(ascii: "/")).last.map { String(decoding: $0, as: UTF8.self) } ?? ""
            return ["sh", "ash", "bash", "dash", "ksh", "mksh", "zsh", "fish", "busybox"].contains(name)
        }
    }
}
