import BSON
import Console
import Glibc

/// `--env NAME=value`, or `NAME` for the value that it has here.
enum SentVariables {
    static func document(_ texts: [String]) throws(CommandFailure) -> BSONDocument {
        var document = BSONDocument()
        for text in texts {
            var (name, value) = (text, String?.none)
            if let (before, behind) = text.bytes.cut(atFirst: "=") { (name, value) = (before, behind) }
            guard let value = value ?? getenv(name).map({ String(cString: $0) }) else {
                throw .badInput("--env \(name): there is no such variable here; write \(name)=value")
            }
            if isSecret(name) {
                StandardError.line(
                    "warning: \(name) looks like a secret, and everybody who can read the database will see it; "
                        + "let the runners have it with environment.allow instead"
                )
            }
            document.append(name, .string(value))
        }
        return document.withoutRepeatedKeys
    }

    static func isSecret(_ name: String) -> Bool {
        let parts = name.uppercased().bytes.split(separator: "_")
        return parts.contains { part in
            ["KEY", "APIKEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIALS"].hasBytes(of: part.text)
        }
    }
}
