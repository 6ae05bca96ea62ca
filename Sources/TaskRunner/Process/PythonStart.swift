import Files
import Glibc

/// Whether a command starts a Python script, and how it is to be given its global variables.
enum PythonStart: Equatable {
    /// `python3` itself with options: it is given our own program, and that the script.
    case direct
    /// Another program starts Python (`env`, `nice`, `torchrun`, `python3 -m cProfile`): it is given a file that runs
    /// the script.
    case starter
    /// Not Python, or not known to run a script of Python's as that would.
    ///
    /// - Parameter warns: Whether Python has a part in it, so that somebody may expect global variables.
    case unknown(warns: Bool)

    /// Programs and modules that run a script of Python's, here or in several processes, each as Python would.
    static let launchers: Set<String> = [
        "torchrun", "torch.distributed.run", "torch.distributed.launch", "torch.utils.bottleneck", "accelerate",
        "accelerate.commands.launch", "accelerate.commands.accelerate_cli", "deepspeed", "deepspeed.launcher.runner",
        "horovodrun", "cProfile", "profile", "trace", "coverage", "coverage3", "kernprof",
        "line_profiler", "memory_profiler", "mprof", "viztracer", "scalene", "pyinstrument", "memray",
        "ipython", "ipython3", "IPython", "pytest", "unittest",
    ]
    /// Options by which a launcher is given something else than a script.
    private static let otherwise: Set<String> = ["-m", "--module", "--no-python", "--no_python"]

    init(_ words: [String], program: String, script: [UInt8], hasGlobals: Bool) {
        let names = words.map(ScriptCommand.name)
        // A notebook, which is JSON, is no script.
        let isNotebook = script.first == UInt8(ascii: "{")
        let starter: PythonStart = hasGlobals && !isNotebook ? .starter : .unknown(warns: false)
        if let index = names.firstIndex(where: Self.isPython) {
            switch Self.target(words[(index + 1)...]) {
            case .none: self = index == 0 ? .direct : isNotebook ? .unknown(warns: false) : .starter
            case .some(let target):
                let isKnown = Self.launchers.contains(target.name) && Self.otherwise.isDisjoint(with: target.rest)
                self = isKnown ? starter : .unknown(warns: hasGlobals)
            }
        } else if let index = names.firstIndex(where: Self.launchers.contains) {
            self = Self.otherwise.isDisjoint(with: words[(index + 1)...]) ? starter : .unknown(warns: hasGlobals)
        } else {
            self = .unknown(warns: hasGlobals && !Self.shells.contains(names[0]) && Self.isWrittenInPython(program))
        }
    }

    private static let shells: Set<String> = ["sh", "bash", "dash", "zsh", "true"]

    /// What Python is to run according to its arguments; nil where that is the script. An empty name for what can be no
    /// script.
    private static func target(_ words: ArraySlice<String>) -> (name: String, rest: ArraySlice<String>)? {
        var index = words.startIndex
        while index < words.endIndex {
            let word = Array(words[index].utf8)
            guard word.first == UInt8(ascii: "-"), word.count > 1 else {
                let name = ScriptCommand.name(of: words[index])
                let isModule = name.utf8.count > 3 && name.utf8.suffix(3).elementsEqual(".py".utf8)
                return (isModule ? String(decoding: name.utf8.dropLast(3), as: UTF8.self) : name, words[(index + 1)...])
            }
            if word == Array("--check-hash-based-pycs".utf8) { index += 1 }
            letters: for (offset, letter) in word.enumerated().dropFirst() where word[1] != UInt8(ascii: "-") {
                let rest = word[(offset + 1)...]
                switch letter {
                case UInt8(ascii: "c"): return ("", [])
                case UInt8(ascii: "m"):
                    if !rest.isEmpty { return (String(decoding: rest, as: UTF8.self), words[(index + 1)...]) }
                    return (
                        words.dropFirst(index + 1 - words.startIndex).first ?? "", words[(index + 1)...].dropFirst()
                    )
                case UInt8(ascii: "W"), UInt8(ascii: "X"), UInt8(ascii: "Q"):
                    if rest.isEmpty { index += 1 }
                    break letters
                default: break
                }
            }
            index += 1
        }
        return nil
    }

    /// `python`, `python3`, `python3.11`, `pypy3`.
    static func isPython(_ name: String) -> Bool {
        for prefix in ["python", "pypy"] where name.utf8.starts(with: prefix.utf8) {
            return name.utf8.dropFirst(prefix.utf8.count).allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: ".")
            }
        }
        return false
    }

    /// Whether the program's own first line names Python, as that of what pip installs does.
    private static func isWrittenInPython(_ program: String) -> Bool {
        guard let bytes = try? OpenFile(program).read(upTo: 256) else { return false }
        let line = bytes.prefix { $0 != UInt8(ascii: "\n") }
        return line.starts(with: "#!".utf8) && line.firstRange(of: "python".utf8) != nil
    }
}
