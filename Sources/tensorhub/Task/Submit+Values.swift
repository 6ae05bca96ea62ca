import BSON
import Console
import TensorHub

extension Submit {
    /// `PATH` or `PATH=NAME`; a file whose own name has an equals sign is found whole first.
    static func file(_ text: String) throws(CommandFailure) -> TaskFile {
        var path = text
        var name: String?
        if let (before, behind) = text.bytes.cut(atLast: "="), !InputFile.exists(text) {
            (path, name) = (before, behind)
        }
        let file = try InputFile(path, role: "file", limit: TaskSpec.maximumDocumentSize)
        let own = path.bytes.split(separator: "/").last?.text ?? path
        return TaskFile(path: name ?? own, mode: file.mode, data: file.bytes)
    }
}
