import BSON
import TensorHub

/// What the neighbours call what is a verb here: of Slurm, Docker, Kubernetes, Git, and of plain English. They are not
/// run, but named to whoever types them.
enum OtherVerbs {
    /// - Parameter command: The verbs before the word: `["runner"]`; empty at the top.
    static func meant(_ word: String, of command: [String]) -> [String] {
        // `log` are the entries that scripts save; who names a task there wants what it printed.
        if command.first?.bytes == "log", command.count == 1, (try? TaskReference(word)) != nil {
            return ["tensorhub logs"]
        }
        return words[command.joined(separator: " ").bytes]?[word.lowercased().bytes] ?? []
    }

    /// By the verbs before the word, then by the word.
    static let words: [ByteString: [ByteString: [String]]] = [
        "": top, "runner": runner, "dataset": content, "model": content.merging(model) { $1 }, "log": log,
    ]

    private static let top: [ByteString: [String]] = [
        "list": ["ls"], "ps": ["ls"], "jobs": ["ls"], "tasks": ["ls"], "queue": ["ls"], "squeue": ["ls"],
        "delete": ["rm"], "remove": ["rm"], "del": ["rm"],
        "kill": ["cancel"], "stop": ["cancel"], "abort": ["cancel"], "scancel": ["cancel"],
        "add": ["submit"], "create": ["submit"], "enqueue": ["submit"], "sbatch": ["submit"],
        "output": ["logs"], "tail": ["logs"], "cat": ["logs"], "stdout": ["logs"],
        "info": ["show"], "describe": ["show"], "inspect": ["show"],
        "restart": ["retry"], "requeue": ["retry"],
        "watch": ["wait"], "progress": ["wait"], "explain": ["why"], "best": ["results"], "compare": ["results"],
        "pause": ["hold", "runner pause"], "suspend": ["hold"],
        "resume": ["release", "runner resume"], "unhold": ["release"],
        "drain": ["runner drain"], "nodes": ["runner ls"], "workers": ["runner ls"], "agents": ["runner ls"],
        "sinfo": ["runner ls"], "put": ["dataset put", "model put"], "upload": ["dataset put", "model put"],
        "get": ["dataset get", "model get"], "download": ["dataset get", "model get"], "data": ["dataset"],
        "plot": ["log plot"], "export": ["log export"], "stage": ["model stage"], "diff": ["model diff"],
        "clean": ["prune"], "cleanup": ["prune"], "purge": ["prune"],
    ]

    private static let runner: [ByteString: [String]] = [
        "list": ["ls"], "ps": ["ls"], "status": ["ls", "show"], "info": ["show"], "describe": ["show"],
        "inspect": ["show"], "kill": ["stop"], "shutdown": ["stop"], "cordon": ["pause"], "uncordon": ["resume"],
        "undrain": ["resume"], "unpause": ["resume"],
    ]

    private static let content: [ByteString: [String]] = [
        "list": ["ls"], "delete": ["rm"], "remove": ["rm"], "del": ["rm"], "info": ["show"], "describe": ["show"],
        "inspect": ["show"], "upload": ["put"], "push": ["put"], "add": ["put"], "save": ["put"], "store": ["put"],
        "create": ["put"], "download": ["get"], "pull": ["get"], "fetch": ["get"], "load": ["get"],
    ]

    private static let model: [ByteString: [String]] = [
        "compare": ["diff"], "promote": ["stage"], "tag": ["stage"],
    ]

    private static let log: [ByteString: [String]] = [
        "list": ["ls"], "tail": ["ls"], "show": ["ls"], "cat": ["ls"], "delete": ["rm"], "remove": ["rm"],
        "del": ["rm"], "save": ["add"], "put": ["add"], "write": ["add"], "draw": ["plot"], "csv": ["export"],
    ]
}
