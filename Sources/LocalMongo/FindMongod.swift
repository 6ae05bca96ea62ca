import Files
import Glibc

extension LocalMongoServer {
    /// The mongod to run: `$TENSORHUB_MONGOD`, else the first in `$PATH`, else the newest name under
    /// `${XDG_CACHE_HOME:-~/.cache}/tensorhub/mongod/*/mongod`. Nothing is downloaded.
    public static func findMongod() throws(LocalMongoError) -> String {
        if let path = environment("TENSORHUB_MONGOD") {
            guard isExecutable(path) else {
                throw LocalMongoError(.notFound, "TENSORHUB_MONGOD is \(path), which is not an executable file")
            }
            return path
        }
        for folder in (environment("PATH") ?? "").split(separator: ":") where isExecutable("\(folder)/mongod") {
            return "\(folder)/mongod"
        }
        let cache = environment("XDG_CACHE_HOME") ?? environment("HOME").map { "\($0)/.cache" } ?? "/nonexistent"
        let folder = "\(cache)/tensorhub/mongod"
        let versions = ((try? LocalFolder.names(in: folder)) ?? []).map { String(decoding: $0, as: UTF8.self) }
        for version in versions.filter({ !$0.hasPrefix(".") }).sorted(by: >)
        where isExecutable("\(folder)/\(version)/mongod") {
            return "\(folder)/\(version)/mongod"
        }
        throw LocalMongoError(
            .notFound,
            "set TENSORHUB_MONGOD, put mongod into PATH, or lay it under \(folder)/VERSION/mongod"
        )
    }

    private static func environment(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        let text = String(cString: value)
        return text.isEmpty ? nil : text
    }

    private static func isExecutable(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }
}
