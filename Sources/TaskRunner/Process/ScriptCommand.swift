import BSON
import Glibc

/// How a script is started: by its `--interpreter`, else by its first line, else by `python3`. The interpreter is
/// always started by us: executing a file that was just written fails now and then with ETXTBSY.
package struct ScriptCommand: Sendable, Equatable {
    /// The script's name in the working directory: of a Python script the one that it was submitted under, which its
    /// tracebacks have then; else not one that a module of the user's would have.
    package var scriptName: String
    /// Program, its arguments, the script and its arguments; or the words of a task that is a command.
    package var arguments: [String]
    /// Whether the script's global variables are its hyper-parameters and results.
    package var isPython: Bool
    /// What lies beside the script and is started in its place, where another program starts Python: see
    /// ``starterName``.
    package var starter: [UInt8]?

    /// What ``scriptName`` is where no other name is known.
    static let scriptNames = ["__script__", "__script__.py"]

    /// - Parameters:
    ///   - name: what a Python script's file is called, see ``usable(_:beside:)``.
    ///   - words: the program that runs the script, and its arguments; empty leaves it to the script.
    ///   - arguments: what follows the script.
    ///   - hasGlobals: whether the task has hyper-parameters, or results to be taken.
    ///   - path: the `PATH` of the script's environment.
    ///   - python: the program that `python` and `python3` stand for; `nil` looks for them in the path.
    ///   - folder: what the script's name is put behind, with a slash, where the script does not begin there.
    ///   - pythonFolder: where the Python client is.
    ///   - isExecutable: asked for absolute paths.
    package init(
        script: [UInt8],
        name: String? = nil,
        interpreter: String?,
        arguments: [String] = [],
        hasGlobals: Bool = true,
        path: String?,
        python: String? = nil,
        folder: String = "",
        pythonFolder: String,
        isExecutable: (String) -> Bool = Self.isExecutableFile
    ) throws(AttemptError) {
        var words = interpreter.map(Self.words) ?? Self.firstLine(of: script)
        if words.isEmpty { words = ["python3"] }
        let program = try Self.find(words[0], path: path, python: python, isExecutable)
        let start = PythonStart(words, program: program, script: script, hasGlobals: hasGlobals)
        isPython = start == .direct || start == .starter
        scriptName = isPython ? name ?? Self.scriptNames[1] : Self.scriptNames[0]
        self.arguments = [program] + words.dropFirst()
        switch start {
        case .direct:
            // By its path, which no option of Python's hides.
            self.arguments += ["\(pythonFolder)/tensorhub/run.py", folder + scriptName]
        case .starter:
            starter = Array(Self.starterText(pythonFolder, script: scriptName).utf8)
            self.arguments.append(folder + Self.starterName)
        case .unknown(let warns):
            self.arguments.append(folder + scriptName)
            if warns {
                let notice = Self.notice(words)
                self.arguments = ["/bin/sh", "-c", #"printf '%s\n' "$0" >&2; exec "$@""#, notice] + self.arguments
            }
        }
        self.arguments += arguments
    }

    /// The name, if a script can have it in the folder of its task's files. One of the client's would hide that.
    static func usable(_ name: String, beside files: [String]) -> String? {
        let taken = files.compactMap { $0.bytes.split(separator: "/").first?.text } + [starterName, "tensorhub.py"]
        let isName = name.bytes.hasSuffix(".py") && !name.bytes.contains("/") && !name.utf8.contains(0)
        return isName && name.utf8.count <= 255 && !taken.hasBytes(of: name) ? name : nil
    }

    /// A task that is a program and its arguments; what is stored as its script is the words for people.
    package init(
        command: [String],
        path: String?,
        python: String? = nil,
        isExecutable: (String) -> Bool = Self.isExecutableFile
    ) throws(AttemptError) {
        arguments = [try Self.find(command[0], path: path, python: python, isExecutable)] + command.dropFirst()
        isPython = false
        scriptName = Self.scriptNames[0]
    }

    /// The interpreter named by `#!`, with the indirection through `env` taken out. Empty without one.
    static func firstLine(of script: [UInt8]) -> [String] {
        guard script.starts(with: "#!".utf8) else { return [] }
        // A script from Windows ends its lines in CR LF.
        let line = script.dropFirst(2).prefix(4096).prefix { $0 != UInt8(ascii: "\n") && $0 != 0 }.trimming
        let program = text(line.prefix { !$0.isBlank })
        // As the kernel does it: all that follows is one argument.
        let rest = text(line.dropFirst(program.utf8.count).trimming)
        guard name(of: program) == "env" else { return program.isEmpty ? [] : [program] + (rest.isEmpty ? [] : [rest]) }
        var words = words(rest)
        if let first = words.first, first == "-S" || first == "--split-string" { words.removeFirst() }
        if let first = words.first, first.utf8.starts(with: "-S".utf8) {
            words[0] = text(Array(first.utf8.dropFirst(2))[...])
        }
        // Other options of env, and variables that it sets, are its own business.
        guard let first = words.first, first.utf8.first != UInt8(ascii: "-"), !first.utf8.contains(UInt8(ascii: "="))
        else { return rest.isEmpty ? [] : [program] + words }
        return words
    }

    /// Splits at blanks, outside of single and double quotes.
    static func words(_ text: String) -> [String] {
        var words: [String] = []
        var word: [UInt8]?
        var quote: UInt8?
        for byte in text.utf8 {
            if let open = quote {
                if byte == open { quote = nil } else { word = (word ?? []) + [byte] }
            } else if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
                quote = byte
                word = word ?? []
            } else if byte.isBlank {
                if let whole = word { words.append(Self.text(whole[...])) }
                word = nil
            } else {
                word = (word ?? []) + [byte]
            }
        }
        if let whole = word { words.append(Self.text(whole[...])) }
        return words
    }

    /// What a path ends in.
    static func name(of path: String) -> String {
        path.utf8.split(separator: UInt8(ascii: "/")).last.map { text(Array($0)[...]) } ?? ""
    }

    private static func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

    private static func find(
        _ name: String,
        path: String?,
        python: String?,
        _ isExecutable: (String) -> Bool
    ) throws(AttemptError) -> String {
        if let python, ["python", "python3"].hasBytes(of: name) { return python }
        if name.utf8.first == UInt8(ascii: "/") {
            guard isExecutable(name) else {
                throw .missing("no program '\(name)'", "the program '\(name)' does not exist here or is not executable")
            }
            return name
        }
        // Relative to the working directory: one of the task's own files. Starting it will tell.
        if name.utf8.contains(UInt8(ascii: "/")) { return name }
        let path = path.flatMap { $0.isEmpty ? nil : $0 } ?? "/usr/local/bin:/usr/bin:/bin"
        for folder in path.bytes.split(separator: ":") where folder.hasPrefix("/") {
            let candidate = "\(folder)/\(name)"
            if isExecutable(candidate) { return candidate }
        }
        throw .missing("no program '\(name)'", "the program '\(name)' is not on this runner's PATH (\(path))")
    }

    package static func isExecutableFile(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }
}

extension UInt8 {
    fileprivate var isBlank: Bool { self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") }
}

extension ArraySlice<UInt8> {
    /// Without white space at both ends.
    fileprivate var trimming: ArraySlice<UInt8> {
        var rest = self
        while let first = rest.first, first.isBlank || first == UInt8(ascii: "\r") { rest.removeFirst() }
        while let last = rest.last, last.isBlank || last == UInt8(ascii: "\r") { rest.removeLast() }
        return rest
    }
}
