import ArgumentParser
import BSON
import Console
import TensorHub

struct ModelCompare: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Say in what two models differ: architecture, tags, tensors, files.",
        discussion: """
            A model is a name, or a name with a version or a stage: mlp, mlp@3,
            mlp@production. The parameters are not fetched; whether they are the same, their
            hashes tell.

            Example:
              tensorhub model diff mlp@production mlp
            """
    )

    @Argument(help: "The one.", completion: Completion.models)
    var before: String

    @Argument(help: "The other.", completion: Completion.models)
    var after: String

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let hub = try await connection.hub()
        let first = try await hub.findModel(named: before)
        let second = try await hub.findModel(named: after)
        let diff = try await hub.diff(first, second)
        if output.json {
            StandardOutput.line(Self.document(diff).extendedJSON(pretty: true))
            return
        }
        var text = ""
        func add<Value>(_ title: String, _ changes: [ModelDiff.Change<Value>], _ show: (Value) -> String) {
            if changes.isEmpty { return }
            text += "\(title)\n"
            for change in changes {
                let (old, new) = texts(change, show)
                let line =
                    if let old, let new { "  ~ \(change.name)  \(old) -> \(new)" } else if let new {
                        "  + \(change.name)  \(new)"
                    } else { "  - \(change.name)  \(old ?? "")" }
                text += TerminalText.oneLine(line) + "\n"
            }
        }
        add("architecture", diff.architecture, \.tableText)
        add("tags", diff.tags, \.tableText)
        add("tensors", diff.tensors) { "\($0.dtype) \(ContentText.shape($0.shape))" }
        add("files", diff.files) {
            "\(ByteText.of($0.blob.length)) \($0.blob.sha256.map { "\($0.prefix(12))…" } ?? "hash unknown")"
        }
        StandardOutput.write(text)
        StandardError.line(
            "\(first.title) and \(second.title) "
                + (diff.isEmpty ? "are alike" : "differ")
                + "; the same in both: \(counted(diff.sameTensors, "tensor")), \(counted(diff.sameFiles, "file"))"
        )
    }

    /// Two values that read alike in a table differ in type, as 1 and "1": then they are shown with it.
    private func texts<Value>(_ change: ModelDiff.Change<Value>, _ show: (Value) -> String) -> (String?, String?) {
        let texts = (change.before.map(show), change.after.map(show))
        guard let before = change.before as? BSONValue, let after = change.after as? BSONValue,
            texts.0?.utf8.elementsEqual(texts.1?.utf8 ?? "".utf8) == true
        else { return texts }
        let relaxed = (before.extendedJSON(), after.extendedJSON())
        if !relaxed.0.utf8.elementsEqual(relaxed.1.utf8) { return relaxed }
        return (before.extendedJSON(.canonical), after.extendedJSON(.canonical))
    }

    private static func document(_ diff: ModelDiff) -> BSONDocument {
        func list<Value>(_ changes: [ModelDiff.Change<Value>], _ value: (Value) -> BSONValue) -> BSONValue {
            .array(
                changes.map { change in
                    [
                        "name": .string(change.name), "before": change.before.map(value) ?? .null,
                        "after": change.after.map(value) ?? .null,
                    ]
                }
            )
        }
        return [
            "architecture": list(diff.architecture) { $0 }, "tags": list(diff.tags) { $0 },
            "tensors": list(diff.tensors) {
                ["shape": .array($0.shape.map(BSONValue.init(smallest:))), "dtype": .string($0.dtype)]
            },
            "files": list(diff.files) {
                ["size": .int64($0.blob.length), "sha256": $0.blob.sha256.map(BSONValue.string) ?? .null]
            },
            "same": ["tensors": .init(smallest: diff.sameTensors), "files": .init(smallest: diff.sameFiles)],
        ]
    }
}
