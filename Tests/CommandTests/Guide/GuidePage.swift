import TestSupport
import Testing

/// A page of `docs/guide`, as something to do: its blocks of commands in order, each in the shell that the one before
/// has left.
struct GuidePage: Sendable, CustomTestStringConvertible {
    enum Step: Sendable {
        /// Lines of which none may fail.
        case commands(String)
        /// One command, and what it is said to print.
        case exchange(command: String, expected: [String])
    }

    let name: String
    let steps: [Step]
    var testDescription: String { name }

    /// What would change the machine that the tests run on; `scripts/test` and `scripts/test-systemd` do it elsewhere.
    private static let ofTheMachine = ["./scripts/", "sudo ", "pip install ./", "conda ", "sbatch "]

    init(name: String, text: String) {
        self.name = name
        var steps: [Step] = []
        var language: String?
        var block: [String] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            guard line.hasPrefix("```") else {
                block.append(line)
                continue
            }
            if let language { steps += Self.steps(of: block, in: language) }
            language = language == nil ? String(line.dropFirst(3)) : nil
            block = []
        }
        self.steps = steps
    }

    private static func steps(of block: [String], in language: String) -> [Step] {
        switch language {
        case "bash": isOfTheMachine(block) ? [] : [.commands(block.joined(separator: "\n"))]
        case "console": exchanges(block)
        case "python", "yaml": [.commands(file(block) ?? program(block))]
        default: []
        }
    }

    private static func isOfTheMachine(_ block: [String]) -> Bool {
        block.allSatisfy { line in line.isEmpty || ofTheMachine.contains { line.hasPrefix($0) } }
    }

    /// `# train.py` in the first line: the file of that name.
    private static func file(_ block: [String]) -> String? {
        guard let name = block.first?.wholeMatch(of: #/# ([\w.\/-]+\.\w+)/#)?.1 else { return nil }
        let text = block.dropFirst().joined(separator: "\n")
        return "mkdir -p \"$(dirname \(name))\"; cat > \(name) <<'END_OF_FILE'\n\(text)\nEND_OF_FILE"
    }

    private static func program(_ block: [String]) -> String {
        "python3 - <<'END_OF_PROGRAM'\n\(block.joined(separator: "\n"))\nEND_OF_PROGRAM"
    }

    private static func exchanges(_ block: [String]) -> [Step] {
        var exchanges: [(command: String, expected: [String])] = []
        for line in block {
            if line.hasPrefix("$ ") {
                exchanges.append((String(line.dropFirst(2)), []))
            } else if line.hasPrefix("> "), exchanges.last?.expected.isEmpty == true {
                exchanges[exchanges.count - 1].command += "\n" + line.dropFirst(2)
            } else if !exchanges.isEmpty {
                exchanges[exchanges.count - 1].expected.append(line)
            }
        }
        return exchanges.map { .exchange(command: $0.command, expected: $0.expected) }
    }
}

/// What a page says that a command prints. Blanks count once, `…` stands for anything in a line, alone for any lines,
/// and one id for another.
struct GuideOutput: CustomStringConvertible {
    private let lines: [String]
    var description: String { lines.joined(separator: "\n") }

    init(_ lines: [String]) {
        let words = lines.map { $0.split(whereSeparator: \.isWhitespace).joined(separator: " ") }
        self.lines = words.filter { !$0.isEmpty }.map { $0.replacing(#/\b[0-9a-f]{24}\b/#, with: "ID") }
    }

    func matches(_ actual: GuideOutput) -> Bool { Self.matches(lines[...], actual.lines[...]) }

    private static func matches(_ expected: ArraySlice<String>, _ actual: ArraySlice<String>) -> Bool {
        guard let first = expected.first else { return actual.isEmpty }
        if first == "…" {
            return (0...actual.count).contains { matches(expected.dropFirst(), actual.dropFirst($0)) }
        }
        guard let line = actual.first, matches(first, line) else { return false }
        return matches(expected.dropFirst(), actual.dropFirst())
    }

    private static func matches(_ expected: String, _ actual: String) -> Bool {
        let parts = expected.split(separator: "…", omittingEmptySubsequences: false)
        guard let first = parts.first, let last = parts.last, parts.count > 1 else { return expected == actual }
        guard actual.hasPrefix(first) else { return false }
        var rest = actual.dropFirst(first.count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let range = rest.firstRange(of: part) else { return false }
            rest = rest[range.upperBound...]
        }
        return rest.hasSuffix(last)
    }
}
