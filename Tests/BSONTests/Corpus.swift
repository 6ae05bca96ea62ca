import BSON
import Foundation
import Testing

/// The MongoDB BSON corpus: files of valid and invalid documents in every form.
enum Corpus {
    struct Case: Sendable, CustomTestStringConvertible {
        var file: String
        var type: String
        var isDeprecated: Bool
        var document: BSONDocument

        var name: String { "\(file): \(document["description"]?.stringValue ?? "?")" }
        var testDescription: String { name }
        func text(_ key: String) -> String? { document[key]?.stringValue }
        func bytes(_ key: String) -> [UInt8]? { text(key).flatMap(Corpus.bytes) }
        var isLossy: Bool { document["lossy"]?.boolValue ?? false }
    }

    struct Missing: Error, CustomStringConvertible {
        var folder: String
        var description: String {
            "The BSON corpus is not in \(folder). Run scripts/setup, or name its folder in TENSORHUB_BSON_CORPUS."
        }
    }

    static var folder: URL {
        let environment = ProcessInfo.processInfo.environment
        if let folder = environment["TENSORHUB_BSON_CORPUS"], !folder.isEmpty { return URL(filePath: folder) }
        let cache = environment["XDG_CACHE_HOME"].flatMap { $0.isEmpty ? nil : URL(filePath: $0) }
        return (cache ?? FileManager.default.homeDirectoryForCurrentUser.appending(path: ".cache"))
            .appending(path: "tensorhub/bson-corpus")
    }

    /// All files; empty where the corpus is missing, which a test of its own reports.
    static let files: [(name: String, document: BSONDocument)] = (try? load()) ?? []

    static func load() throws -> [(name: String, document: BSONDocument)] {
        let names = try? FileManager.default.contentsOfDirectory(atPath: folder.path)
        let files = try (names ?? []).filter { $0.hasSuffix(".json") }.sorted().map { name in
            let bytes = [UInt8](try Data(contentsOf: folder.appending(path: name)))
            return (name, try BSONDocument(extendedJSON: bytes, options: .init(plain: true)))
        }
        guard !files.isEmpty else { throw Missing(folder: folder.path) }
        return files
    }

    static func cases(_ section: String) -> [Case] {
        files.flatMap { name, document in
            (document[section]?.arrayValue ?? []).compactMap(\.documentValue).map {
                Case(
                    file: name,
                    type: document["bson_type"]?.stringValue ?? "",
                    isDeprecated: document["deprecated"]?.boolValue ?? false,
                    document: $0
                )
            }
        }
    }

    static func bytes(_ hexadecimal: String) -> [UInt8]? {
        var digits = hexadecimal.compactMap { $0.hexDigitValue.map { UInt8($0) } }[...]
        guard digits.count == hexadecimal.count, digits.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        while let high = digits.popFirst(), let low = digits.popFirst() { bytes.append(high << 4 | low) }
        return bytes
    }
}
