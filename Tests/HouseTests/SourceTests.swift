import Foundation
import TestSupport
import Testing

/// What the sources themselves must keep to.
@Suite struct SourceTests {
    /// Files in which texts go by `String`'s own rules, how often, and why that does no harm there. Anything that is
    /// stored, or that people name, is a `ByteString`.
    private static let allowed: [String: (count: Int, reason: String)] = [
        "ScriptClient/Attempt.swift": (3, "the environment; its names are ours"),
        "TaskRunner/PythonStart.swift": (3, "words of ours, ASCII"),
        "MongoDriver/Action.swift": (1, "names of MongoDB's own databases"),
        "TensorHub/NumPyFile.swift": (1, "NumPy's own words for types, for showing"),
        "TaskRunner/ScriptEnvironment.swift": (2, "of a ByteString"),
        "HubAPI/Route.swift": (1, "of a ByteString"),
        "HubAPI/APIRequest.swift": (1, "of a ByteString"),
        "HubAPI/Doorkeeper.swift": (2, "addresses as the system writes them"),
        "MongoDriver/ConnectionText.swift": (1, "of bytes"),
        "MongoDriver/MongoURI.swift": (1, "of a text that is searched for another"),
        "TaskRunner/ScriptCommand.swift": (1, "of a ByteString"),
        "TaskRunner/SupervisorProcess.swift": (2, "what /proc says"),
        "TensorHub/Sort.swift": (1, "of a ByteString"),
        "tensorhub/ListenAddress.swift": (3, "addresses of hosts"),
        "tensorhubd/StartupMemory.swift": (3, "what /proc says"),
    ]

    /// Keyed by `String`, whether that is written down or inferred; and what cuts or searches by characters.
    private static let patterns: [String] = [
        #"\[(\w+: )?String: "#, #"Set<String>"#, #"Dictionary<String"#,
        #"\bSet\([^)]*\\?\.(name|path|key|stage|text|host|project|sha256|localPath)\)"#,
        #"\bDictionary\((?!firstOf:).*\(\$0\.(0|name|path|key|stage|text|host|project|sha256)[,)]"#,
        #"(?<!\.bytes)(?<!\.utf8)\.has(Prefix|Suffix)\("#, #"(?<!bytes)\.split\(separator: ""#,
        #"(first|last)Index\(of: ""#,
    ]

    private static func matches(_ pattern: NSRegularExpression, _ line: String) -> Bool {
        pattern.firstMatch(in: line, range: NSRange(line.startIndex..., in: line)) != nil
    }

    @Test func `Nothing that is stored is a dictionary's key as String, nor cut or compared by characters`() throws {
        let root = URL(filePath: packageRoot).appending(path: "Sources")
        let patterns = try Self.patterns.map { try NSRegularExpression(pattern: $0) }
        let files = FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil)
        var counts: [String: [String]] = [:]
        while let file = files?.nextObject() as? URL {
            guard file.pathExtension == "swift" else { continue }
            // By module and name, without the room.
            let module = file.pathComponents[root.pathComponents.count]
            let name = "\(module)/\(file.lastPathComponent)"
            // The private MongoDB of a developer: nothing is stored by it.
            if name.hasPrefix("LocalMongo/") { continue }
            for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
                let code = line.drop { $0 == " " }
                if code.hasPrefix("//") || !patterns.contains(where: { Self.matches($0, String(line)) }) { continue }
                counts[name, default: []].append(String(code))
            }
        }
        #expect(counts.count > 10, "the sources are not at \(root.path)")
        for name in Set(counts.keys).union(Self.allowed.keys) {
            let lines = counts[name] ?? []
            #expect(
                lines.count == Self.allowed[name]?.count ?? 0,
                "\(name): use ByteString (`text.bytes`), or say in this test why it does no harm:\n\(lines.joined(separator: "\n"))"
            )
        }
    }
}
