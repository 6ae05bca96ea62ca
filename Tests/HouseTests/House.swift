import Foundation
import TestSupport

/// The sources of the package, and what they and the papers beside them say of each other.
enum House {
    struct Module {
        var name: String
        /// Within the package.
        var path: String
        /// Those of this package that Package.swift names.
        var dependencies: Set<String>
        var isTest: Bool
    }

    struct SourceFile {
        /// Within the package.
        var path: String
        var lines: [Substring]
    }

    static func text(_ path: String) throws -> String {
        try String(contentsOfFile: "\(packageRoot)/\(path)", encoding: .utf8)
    }

    /// The targets as Package.swift describes them.
    static func modules() throws -> [Module] {
        // A target begins in a line of its own; comments may hold any word.
        let code = try text("Package.swift").split(separator: "\n").filter { !$0.drop { $0 == " " }.hasPrefix("//") }
            .joined(separator: "\n")
        let starts = code.matches(of: #/(?m)^ {8}\.(target|executableTarget|testTarget|systemLibrary)\(/#)
        return try starts.indices.map { index in
            let end = index + 1 < starts.count ? starts[index + 1].range.lowerBound : code.endIndex
            let block = code[starts[index].range.upperBound..<end]
            guard let name = block.firstMatch(of: #/name: "([^"]+)"/#)?.1 else { throw Unreadable() }
            let kind = starts[index].1
            let path = block.firstMatch(of: #/\bpath: "([^"]+)"/#)?.1
            // Without those of other packages.
            let own = block.replacing(#/\.product\([^)]*\)/#, with: "")
            let dependencies = own.firstMatch(of: #/dependencies: \[([^\]]*)\]/#)?.1 ?? ""
            return Module(
                name: String(name),
                path: path.map(String.init) ?? "\(kind == "testTarget" ? "Tests" : "Sources")/\(name)",
                dependencies: Set(dependencies.matches(of: #/"([^"]+)"/#).map { String($0.1) }),
                isTest: kind == "testTarget" || path?.hasPrefix("Tests/") == true
            )
        }
    }

    /// Every file of that kind below a folder of the package.
    static func files(below folder: String, suffix: String = ".swift") throws -> [SourceFile] {
        let found = FileManager.default.enumerator(atPath: "\(packageRoot)/\(folder)")?.allObjects ?? []
        return try found.compactMap { $0 as? String }.filter { $0.hasSuffix(suffix) }.sorted()
            .map { try file("\(folder)/\($0)") }
    }

    static func file(_ path: String) throws -> SourceFile {
        SourceFile(path: path, lines: try text(path).split(separator: "\n", omittingEmptySubsequences: false))
    }

    /// What the modules of the table in docs/architecture.md may import, from the top to the bottom.
    static func allowedImports() throws -> [(module: String, imports: Set<String>)] {
        let lines = try text("docs/architecture.md").split(separator: "\n", omittingEmptySubsequences: false)
        guard let head = lines.firstIndex(of: "| module | may import |") else { throw Unreadable() }
        return lines[(head + 2)...].prefix { $0.hasPrefix("|") }.flatMap { row in
            let cells = row.split(separator: "|").map { $0.matches(of: #/[\w-]+/#).map { String($0.0) } }
            return cells[0].map { ($0, Set(cells[1]).subtracting(["nothing"])) }
        }
    }

    struct Unreadable: Error {}
}
