import BSON
import Console
import TensorHub

/// What is worth saying of a task before it runs, on standard error.
enum SubmitHints {
    /// Modules that read a script's command line.
    private static let readers: [ByteString] = ["argparse", "click", "fire", "absl", "tyro", "hydra", "typer"]

    static func tell(_ spec: TaskSpec, script: String?) {
        guard let script, spec.arguments.isEmpty, spec.parameterArguments == nil,
            let reader = reader(of: spec.script)
        else { return }
        let name = spec.hyperParameters.map(\.key).first
        let way = name.map { "-- --\($0) '{\($0)}', or --args for all hyper-parameters" } ?? "-- --lr 0.1"
        StandardError.line("hint: \(script) reads its command line with \(reader), and gets no arguments; write \(way)")
    }

    /// The first such module that a line of the script imports.
    static func reader(of script: [UInt8]) -> String? {
        for line in script.split(separator: UInt8(ascii: "\n")) {
            let words = line.split { [0x20, 0x09, 0x0D, 0x2C].contains($0) }.map {
                String(decoding: $0, as: UTF8.self).bytes
            }
            guard let first = words.first, first == "import" || first == "from" else { continue }
            let named = first == "import" ? words.dropFirst() : words.dropFirst().prefix(1)
            for word in named {
                let module = word.text.bytes.cut(atFirst: ".")?.before.bytes ?? word
                if readers.contains(module) { return module.text }
            }
        }
        return nil
    }
}
