import BSON
import TensorHub

/// What a script does to one file or folder of its attempt, as shell.
enum AttemptDamage: String, CaseIterable {
    case noRights, noWriting, link, pipe, otherKind, missing, replaced, hardLink

    /// Whether only the mode is changed, which a runner undoes.
    var isMode: Bool { self == .noRights || self == .noWriting }

    /// - Parameter target: Below `$D`, the attempt directory. `$C` has somebody else's file and folder.
    func shell(_ target: Target) -> String {
        let path = target.path == "." ? "$D" : "$D/\(target.path)"
        let aside = "mv \"\(path)\" \"\(path).old\""
        switch self {
        case .noRights: return "chmod 000 \"\(path)\""
        case .noWriting: return "chmod -R a-w \"\(path)\""
        case .link: return "\(aside); ln -s $C/\(target.isFolder ? "folder" : "file") \"\(path)\""
        case .pipe: return "\(aside); mkfifo \"\(path)\""
        case .otherKind:
            return target.isFolder ? "\(aside); echo 1 > \"\(path)\"" : "\(aside); mkdir -p \"\(path)/deep/er\""
        case .missing: return "rm -rf \"\(path)\""
        case .replaced: return "\(aside); cp -a \"\(path).old\" \"\(path)\""
        case .hardLink: return target.isFolder ? "chmod 500 \"\(path)\"" : "\(aside); ln $C/file \"\(path)\""
        }
    }

    struct Target {
        var path: String
        var isFolder = false
        /// Whether the script needs the API first, so that there is something to damage.
        var isOfAPI = false

        static let all =
            [".", "journal", "work", "checkpoint"].map { Target(path: $0, isFolder: true) }
            + [
                "task.json", "claim.json", "pids.json", "output.log", "exit.json", ".exit.json.reserved",
                ".exit.json.new", "result.json", "stop-reason",
            ].map { Target(path: "journal/\($0)") }
            + ["journal/outbox", "journal/kept", "journal/spool", "datasets", "checkpoint"].map {
                Target(path: $0, isFolder: true, isOfAPI: true)
            }
            + [
                "s", "journal/outbox/1", "journal/outbox/position", "journal/api-result.bson",
                "journal/.api-result.bson.new", "journal/data-sets.bson", "journal/unsent.jsonl",
            ].map { Target(path: $0, isOfAPI: true) }
    }

    /// What may become of a task whose script has done this, and then ends with status 0.
    func allows(_ task: TaskRecord, _ target: Target) -> Bool {
        let isWell = task.status == .finished && task.history.count == 1
        if isWell { return true }
        guard task.status == .failed, task.history.count == 1, let kind = task.error?.kind else { return false }
        if isMode { return false }
        switch target.path {
        case ".", "journal": return kind == "journal-lost"
        case "journal/exit.json", "journal/.exit.json.reserved": return kind == "journal-lost"
        case "journal/result.json", "journal/api-result.bson": return kind == "bad-result" || kind == "missing-result"
        default: return false
        }
    }

    /// A script that does it and goes on. Its result comes from the script API where that is part of it, else from the
    /// file.
    func script(_ target: Target, canary: String) -> TaskSpec {
        let setting = "D=\"${PWD%/work}\"; C=\(canary); cd /; \(shell(target))"
        guard target.isOfAPI else {
            return spec(
                "#!/bin/sh\necho '{\"accuracy\": 1}' > \"$TENSORHUB_RESULT_FILE\"\necho before\n\(setting)\necho after\nexit 0\n",
                target
            )
        }
        let text = """
            import os, subprocess, tensorhub
            folder = os.environ["TENSORHUB_CHECKPOINT_DIR"]
            open(folder + "/state", "w").write("1")
            def go(is_whole):
                tensorhub.report(loss=0.5)
                tensorhub.flush(5)
                if is_whole:
                    tensorhub.checkpoint()
            go(True)
            tensorhub.save_results(accuracy=1)
            subprocess.run(['sh', '-c', '''\(setting)'''])
            try:
                # Without its socket a script waits for its runner as long as it takes.
                go(\(target.path == "s" ? "False" : "True"))
            except Exception as error:
                print(type(error), error)

            """
        return spec(text, target)
    }

    private func spec(_ script: String, _ target: Target) -> TaskSpec {
        var spec = TaskSpec(script: script)
        spec.name = "\(rawValue) \(target.path)"
        spec.maxFailures = 1
        spec.grace = .seconds(1)
        spec.timeout = .seconds(60)
        // Where the result itself is damaged, it may be missing.
        let isItself = target.path.hasSuffix("result.json") || target.path.hasSuffix("result.bson")
        spec.savedResultKeys = isItself ? [] : ["accuracy"]
        return spec
    }
}
