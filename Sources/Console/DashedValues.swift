import ArgumentParser
import BSON

/// Values that begin with a dash, as in `--priority -5`, which the parser takes only behind an equals sign.
struct DashedValues {
    private var options: Columns = Columns()
    private var flags: Columns = Columns()
    /// Whether what stands behind `--` is somebody else's, such as a script's.
    private var passesOn = false

    /// - Parameter arguments: They name the command, whose options count.
    init(_ root: any ParsableCommand.Type, _ arguments: [String]) {
        let tool = try? BSONDocument(extendedJSON: root._dumpHelp(), options: ExtendedJSONOptions(plain: true))
        var command = tool?["command"]?.documentValue
        for argument in arguments.prefix(while: { $0 != "--" }) {
            let below = command?["subcommands"]?.arrayValue?.compactMap(\.documentValue) ?? []
            if let found = below.first(where: { $0["commandName"]?.stringValue == argument }) { command = found }
        }
        for argument in command?["arguments"]?.arrayValue?.compactMap(\.documentValue) ?? [] {
            if argument["parsingStrategy"]?.stringValue == "postTerminator" { passesOn = true }
            for name in argument["names"]?.arrayValue?.compactMap(\.documentValue) ?? [] {
                guard let word = name["name"]?.stringValue else { continue }
                let text = (name["kind"]?.stringValue == "long" ? "--" : "-") + word
                if argument["kind"]?.stringValue == "option" { options.insert(text) } else { flags.insert(text) }
            }
        }
    }

    /// The same with an equals sign between each option and its value; one that is a flag or an option itself is left.
    func joined(_ arguments: [String]) -> [String] {
        var result: [String] = []
        var rest = arguments[...]
        while let word = rest.popFirst() {
            if word == "--" { return result + [word] + rest }
            guard options.contains(word), let value = rest.first, value.utf8.first == UInt8(ascii: "-"),
                value != "-", value != "--", !isKnown(value)
            else {
                result.append(word)
                continue
            }
            result.append("\(word)=\(value)")
            rest.removeFirst()
        }
        return result
    }

    /// An option whose value is missing because what follows is one too.
    func ambiguity(_ arguments: [String]) -> String? {
        let words = arguments.prefix { $0 != "--" }
        guard let (option, value) = zip(words, words.dropFirst()).first(where: { options.contains($0) && isKnown($1) })
        else { return nil }
        return "Where \(value) is to be the value of \(option), write \(option)=\(value)."
    }

    /// An option that is none of the command's, where the script's own go behind `--`.
    func misplaced(_ arguments: [String]) -> String? {
        let words = arguments.prefix { $0 != "--" }
        let isOption = { (word: String) in word.bytes.hasPrefix("-") && word.utf8.count > 1 && Double(word) == nil }
        guard passesOn, let index = words.firstIndex(where: { isOption($0) && !isKnown($0) }) else { return nil }
        let rest = words[index...].joined(separator: " ")
        return "What is meant for the script goes behind `--`: \(words[..<index].joined(separator: " ")) -- \(rest)"
    }

    /// A hyper-parameter without its `-p`, where the verb has one.
    func unnamed(_ arguments: [String]) -> String? {
        let words = Array(arguments.prefix { $0 != "--" })
        guard passesOn, options.contains("-p"),
            let index = words.indices.first(where: { index in
                guard index > 0, !words[index].bytes.hasPrefix("-") else { return false }
                return words[index].bytes.cut(atFirst: "=") != nil && !options.contains(words[index - 1])
            })
        else { return nil }
        let named = words[..<index] + ["-p"] + words[index...]
        return "A hyper-parameter has -p before it: \(named.joined(separator: " "))"
    }

    private func isKnown(_ word: String) -> Bool {
        let name = word.bytes.cut(atFirst: "=")?.before ?? word
        if options.contains(name) || flags.contains(name) { return true }
        guard name.bytes.hasPrefix("-"), !name.bytes.hasPrefix("--"), name.utf8.count > 2 else { return false }
        // Several short flags in one word.
        return name.dropFirst().allSatisfy { flags.contains("-\($0)") }
    }
}
