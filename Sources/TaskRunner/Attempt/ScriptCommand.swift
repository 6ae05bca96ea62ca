import BSON
import Glibc

/// How a script is started: by its `--interpreter`, else by its first line, else by `python3`. The interpreter is always
/// started by us: executing a file that was just written fails now and then with ETXTBSY.
package struct ScriptCommand: Sendable, Equatable {
    /// The script's name in the working directory; not one that a module of the user's would have.
    package var scriptName: String
    /// Program, its arguments and, last, the script.
    package var arguments: [String]
    package var isPython: Bool

    /// Blank, tab and carriage return.
    fileprivate static let blanks: [UInt8] = [0x20, 0x09, 0x0D]

    /// Every name that ``scriptName`` can have.
    static let scriptNames = ["__script__", "__script__.py"]

    /// - Parameters:
    ///   - path: the `PATH` of the script's environment.
    ///   - isExecutable: asked for absolute paths.
    package init(
        script: [UInt8],
        interpreter: String?,
        path: String?,
        isExecutable: (String) -> Bool = Self.isExecutableFile
    ) throws(AttemptError) {
        var words = interpreter.map(Self.words) ?? Self.firstLine(of: script)
        if words.isEmpty { words = ["python3"] }
        let program = try Self.find(words[0], path: path, isExecutable)
        let name = words[0].bytes.split(separator: "/").last?.text ?? ""
        isPython = Self.isPython(name) && !words.contains("-m") && !words.contains("-c")
        scriptName = Self.scriptNames[isPython ? 1 : 0]
        arguments = [program] + words.dropFirst() + (isPython ? ["-m", "tensorhub.run"] : []) + [scriptName]
    }

    /// The interpreter named by `#!`, with the indirection through `env` taken out. Empty without one.
    static func firstLine(of script: [UInt8]) -> [String] {
        guard script.starts(with: "#!".utf8) else { return [] }
        let bytes = script.dropFirst(2).prefix(4096).prefix { $0 != UInt8(ascii: "\n") && $0 != 0 }
        // A script from Windows ends its lines in CR LF.
        let line = String(decoding: bytes, as: UTF8.self).trimming()
        let program = Substring(line.utf8.prefix { !Self.blanks.contains($0) })
        // As the kernel does it: all that follows is one argument.
        let rest = String(Substring(line.utf8.dropFirst(program.utf8.count))).trimming()
        guard program.bytes.split(separator: "/").last == "env" else {
            return program.isEmpty ? [] : [String(program)] + (rest.isEmpty ? [] : [rest])
        }
        var words = words(rest)
        if let first = words.first, first == "-S" || first == "--split-string" { words.removeFirst() }
        if let rest = words.first?.bytes.dropping("-S") { words[0] = rest }
        // Other options of env, and variables that it sets, are its own business.
        guard let first = words.first, !first.bytes.hasPrefix("-"), !first.bytes.contains("=") else {
            return rest.isEmpty ? [] : [String(program)] + words
        }
        return words
    }

    /// Splits at blanks, outside of single and double quotes.
    static func words(_ text: String) -> [String] {
        var words: [String] = []
        var word: String?
        var quote: Unicode.Scalar?
        for character in text.unicodeScalars {
            if let open = quote {
                if character == open { quote = nil } else { word = (word ?? "") + String(character) }
            } else if character == "'" || character == "\"" {
                quote = character
                word = word ?? ""
            } else if character == " " || character == "\t" {
                if let whole = word { words.append(whole) }
                word = nil
            } else {
                word = (word ?? "") + String(character)
            }
        }
        if let whole = word { words.append(whole) }
        return words
    }

    /// `python`, `python3`, `python3.11`, `pypy3`.
    static func isPython(_ name: String) -> Bool {
        ["python", "pypy"].lazy.compactMap { name.bytes.dropping($0) }.contains { version in
            version.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: ".") }
        }
    }

    private static func find(
        _ name: String,
        path: String?,
        _ isExecutable: (String) -> Bool
    ) throws(AttemptError) -> String {
        if name.bytes.hasPrefix("/") {
            guard isExecutable(name) else {
                throw AttemptError(.cannotStart, "the interpreter '\(name)' does not exist here or is not executable")
            }
            return name
        }
        // Relative to the working directory: one of the task's own files. Starting it will tell.
        if name.bytes.contains("/") { return name }
        let path = path.flatMap { $0.isEmpty ? nil : $0 } ?? "/usr/local/bin:/usr/bin:/bin"
        for folder in path.bytes.split(separator: ":") where folder.hasPrefix("/") {
            let candidate = "\(folder)/\(name)"
            if isExecutable(candidate) { return candidate }
        }
        throw AttemptError(.cannotStart, "the interpreter '\(name)' is not on this runner's PATH (\(path))")
    }

    package static func isExecutableFile(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }
}

extension String {
    /// Without white space at both ends.
    fileprivate func trimming() -> String {
        var rest = self[...].utf8
        while let first = rest.first, ScriptCommand.blanks.contains(first) { rest.removeFirst() }
        while let last = rest.last, ScriptCommand.blanks.contains(last) { rest.removeLast() }
        return String(Substring(rest))
    }
}
