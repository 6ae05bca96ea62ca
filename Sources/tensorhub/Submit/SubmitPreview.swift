import BSON
import Console
import TensorHub

/// What `--dry-run` shows: the tasks as they would be stored.
struct SubmitPreview {
    let specs: [TaskSpec]
    let count: Int
    let project: String

    /// Tasks that are shown to people.
    private static let shown = 3

    func show(_ output: OutputOptions) {
        if output.json {
            let documents = specs.map { $0.preview(project: project).extendedJSON() }
            StandardOutput.write("[\n" + documents.joined(separator: ",\n") + "\n]\n")
        } else {
            for spec in specs.prefix(Self.shown) { StandardOutput.write(text(spec)) }
            if specs.count > Self.shown { StandardOutput.line("and \(specs.count - Self.shown) more") }
        }
        StandardError.line("\(counted(specs.count * count, "task")) would be created in project \(project); none was")
    }

    private func text(_ spec: TaskSpec) -> String {
        var lines: [(String, String)] = []
        let program = spec.python ?? spec.interpreter ?? "by its first line"
        if spec.command.isEmpty {
            lines.append(("script", "\(counted(spec.script.count, "byte")), run by \(program)"))
        }
        for (name, value) in spec.hyperParameters {
            lines.append((name, "\(TerminalText.truncated(value.extendedJSON(), to: 60)) (\(value.type))"))
        }
        let words =
            ((try? ArgumentTemplate.command(spec.options, spec.hyperParameters)) ?? [])
            + ((try? ArgumentTemplate.arguments(spec.options, spec.hyperParameters)) ?? [])
        if !words.isEmpty {
            lines.append((spec.command.isEmpty ? "arguments" : "command", words.map(quoted).joined(separator: " ")))
        }
        if let cwd = spec.workingDirectory { lines.append(("runs in", "\(cwd), as it is there then")) }
        for file in spec.files { lines.append(("file", "\(file.path), \(counted(file.data.count, "byte"))")) }
        if !spec.savedResultKeys.isEmpty { lines.append(("results", spec.savedResultKeys.joined(separator: ", "))) }
        return FactLines.text(lines) + "\n"
    }

    private func quoted(_ word: String) -> String { word.utf8.contains(0x20) || word.isEmpty ? "'\(word)'" : word }
}
