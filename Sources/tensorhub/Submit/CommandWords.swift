import BSON
import Console
import Glibc
import TensorHub

/// A command in the place of a script. What it names has to be where it runs.
struct CommandWords {
    private let words: [String]

    init(_ words: [String]) { self.words = words }

    /// - Throws: A failure of status 2 where there is no command, or where it names a file that is here and not sent.
    func check(files: [TaskFile], cwd: String?, interpreter: String?) throws(CommandFailure) {
        guard let program = words.first else {
            throw .badInput(
                "nothing is to be run; give a script, or a command behind --: tensorhub submit -- python3 -m train"
            )
        }
        if interpreter != nil {
            throw .badInput("--interpreter runs a script, and a command has none; make the interpreter its first word")
        }
        // There they are as they are.
        if cwd != nil { return }
        for (index, word) in words.enumerated() {
            let isModule = index > 0 && words[index - 1] == "-m"
            let name = isModule ? localModule(word) : isLocalFile(word) ? word : nil
            guard let name, !files.contains(where: { isSent(name, $0) }) else { continue }
            throw .badInput(
                "\(program): \(name) is on this machine only; send it with --file \(name), or name the folder of the "
                    + "runners' where it is with --cwd"
            )
        }
    }

    private func isLocalFile(_ word: String) -> Bool {
        var status = stat()
        return !word.bytes.hasPrefix("/") && stat(word, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    /// What `python -m pkg.train` would import from here.
    private func localModule(_ word: String) -> String? {
        guard let first = word.bytes.split(separator: ".").first?.text, !first.bytes.contains("/") else { return nil }
        return [first, "\(first).py"].first { access($0, F_OK) == 0 }
    }

    private func isSent(_ name: String, _ file: TaskFile) -> Bool {
        let name = name.bytes.dropping("./") ?? name
        return file.path.bytes == name.bytes || file.path.bytes.hasPrefix("\(name)/".bytes)
    }
}
