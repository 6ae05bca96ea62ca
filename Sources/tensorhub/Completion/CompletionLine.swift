import ArgumentParser
import BSON
import MongoDriver
import Settings
import TensorHub

/// The command line that is being completed, as its shell has it: words with their quotes, nothing put in the place of
/// variables.
struct CompletionLine {
    /// The value of an option that only the shell knows: what completes might be of another database.
    private struct UnknownValue: Error {}

    let words: [String]
    /// The beginning of an id that has been typed.
    private let prefix: String

    init(_ words: [String], prefix: String, _ shell: CompletionShell?) {
        self.words = shell == .bash ? Self.joined(words) : words
        self.prefix = prefix
    }

    /// Behind the name of the program.
    var verb: String { words.dropFirst().first ?? "" }

    /// Whether one of the words is begun that stand for tasks.
    var isAtWord: Bool { prefix.bytes.hasPrefix("@") }

    /// The tasks whose numbers begin so; `nil` where no number is begun.
    var numbers: BSONDocument? {
        guard let begun = Int(prefix), begun > 0, prefix.utf8.count <= 9 else { return nil }
        var ranges: [BSONValue] = []
        var (first, last) = (begun, begun)
        while last < 1_000_000_000 {
            ranges.append(["hub.number": ["$gte": .init(smallest: first), "$lte": .init(smallest: last)]])
            (first, last) = (first * 10, last * 10 + 9)
        }
        return ["$or": .array(ranges)]
    }

    /// The tasks whose ids begin so; `nil` where nothing of one is there.
    var ids: BSONDocument? {
        let digits = prefix.lowercased()
        let missing = 24 - digits.utf8.count
        guard !digits.isEmpty, missing >= 0,
            let first = ObjectID(digits + String(repeating: "0", count: missing)),
            let last = ObjectID(digits + String(repeating: "f", count: missing))
        else { return nil }
        return ["_id": ["$gte": .objectID(first), "$lte": .objectID(last)]]
    }

    /// By the same settings as the command itself. It is never closed: the process ends.
    func hub() async throws -> Hub {
        var flags: [ByteString: [String]] = [:]
        if let uri = try value(of: "--uri") { flags["uri"] = [uri] }
        if let project = try value(of: "--project") { flags["project"] = [project] }
        let settings = try Settings(.ofProcess(flags: flags, configFile: try value(of: "--config")))
        var options = MongoClient.Options()
        options.threads = 1
        options.serverSelectionTimeout = Completion.limit
        return try await Hub.connect(
            uri: settings.uri,
            project: settings.project,
            options: options,
            patience: nil
        )
    }

    /// `nil` where the option is not given, or has no value yet.
    private func value(of option: String) throws -> String? {
        for (index, word) in words.enumerated() {
            let isNext = word.bytes == option.bytes
            let found = isNext ? words.dropFirst(index + 1).first : word.bytes.dropping("\(option)=".bytes)
            guard let found, !found.isEmpty else { continue }
            return try Self.unquoted(found)
        }
        return nil
    }

    private static func unquoted(_ word: String) throws -> String {
        var text = Substring(word)
        for quote in ["'", "\""] where text.utf8.count > 1 && word.bytes.hasPrefix(quote.bytes) {
            if word.bytes.hasSuffix(quote.bytes) { text = text.dropFirst().dropLast() }
        }
        if text.utf8.contains(where: { "$`\\'\"~".utf8.contains($0) }) { throw UnknownValue() }
        return String(text)
    }

    /// bash cuts words at colons and equals signs too, which stand alone then: `mongodb`, `:`, `//host`.
    private static func joined(_ words: [String]) -> [String] {
        var result: [String] = []
        var isOpen = false
        for word in words {
            let isMark = !word.isEmpty && word.utf8.allSatisfy { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "=") }
            if !result.isEmpty && (isMark || isOpen) { result[result.count - 1] += word } else { result.append(word) }
            isOpen = isMark
        }
        return result
    }
}
