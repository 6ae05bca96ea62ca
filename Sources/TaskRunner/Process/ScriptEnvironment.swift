package import BSON
import TensorHub

/// The environment of a script: an allow-list of the runner's own and the variables of the contract.
package struct ScriptEnvironment: Sendable, Equatable {
    /// What passes from the runner's environment; `*` at the end stands for any rest of a name.
    package static let passed = [
        "PATH", "HOME", "LANG", "LC_*", "TZ", "USER", "LOGNAME", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_*",
        "NVIDIA_VISIBLE_DEVICES",
    ]

    /// What no configuration can let through: our own configuration with its credentials, and what is between the
    /// runner and systemd.
    private static let withheld = ["TENSORHUB_", "NOTIFY_SOCKET", "LISTEN_", "WATCHDOG_", "CREDENTIALS_DIRECTORY"]

    /// Bytes of one value. The kernel refuses an argument or variable over 128 KiB.
    package static let valueLimit = 64 << 10
    /// Bytes of all hyper-parameters together.
    package static let totalLimit = 512 << 10

    package private(set) var variables: [ByteString: String]

    /// What every attempt of a runner shares: made once.
    ///
    /// - Parameter allowed: names that the configuration adds, of the form of ``passed``.
    package init(inherited: [ByteString: String], allowing allowed: [String] = []) {
        let patterns = Self.passed + allowed
        variables = inherited.filter { name, _ in
            patterns.contains { pattern in
                pattern.bytes.dropping(end: "*").map { name.hasPrefix($0.bytes) } ?? (name == pattern.bytes)
            } && !Self.withheld.contains { name.hasPrefix($0.bytes) }
        }
    }

    /// The environment of one attempt.
    ///
    /// - Parameter pythonFolder: where `import tensorhub` finds the client. `PYTHONPATH` cannot hold every path: one
    ///   with a colon is there relative to the working directory, where that goes without.
    package func environment(
        for plan: AttemptPlan,
        in directory: AttemptDirectory,
        pythonFolder: String
    ) -> ScriptEnvironment {
        var copy = self
        for (name, value) in plan.options.variables where Self.isGiven(name) {
            if let value = value.stringValue { copy.set(name, value) }
        }
        copy.add(plan.hyperParameters)
        copy.set("TENSORHUB_TASK_FILE", directory.taskFilePath)
        copy.set("TENSORHUB_ATTEMPT_TOKEN", plan.token.description)
        copy.set("TENSORHUB_RESULT_FILE", directory.resultFilePath)
        copy.set("TENSORHUB_SPOOL_FILE", directory.unsentPath)
        if let path = plan.socketPath { copy.set("TENSORHUB_SOCKET", path) }
        copy.set("TENSORHUB_TASK_ID", plan.id.task.description)
        if let name = plan.taskName { copy.set("TENSORHUB_TASK_NAME", name) }
        copy.set("TENSORHUB_PROJECT", plan.project)
        copy.set("TENSORHUB_ATTEMPT", "\(plan.id.number)")
        copy.set("TENSORHUB_CHECKPOINT_DIR", directory.checkpointPath)
        let folder =
            pythonFolder.utf8.contains(UInt8(ascii: ":"))
            ? Self.relativePath(pythonFolder, from: directory.workPath) : pythonFolder
        if let folder {
            copy.set("PYTHONPATH", folder + (copy["PYTHONPATH"].map { ":\($0)" } ?? ""))
        }
        // The script's own folder comes first in Python's path, but it is not where the script begins.
        if let place = plan.options.workingDirectory, !place.bytes.contains(":") {
            copy.set("PYTHONPATH", (copy["PYTHONPATH"].map { "\($0):" } ?? "") + place)
        }
        copy.set("PYTHONUNBUFFERED", "1")
        return copy
    }

    /// Whether a task may set it: what we say of the attempt is not for sale.
    private static func isGiven(_ name: String) -> Bool {
        !name.isEmpty && !name.bytes.contains("=") && !name.bytes.hasPrefix("TENSORHUB_")
    }

    package subscript(name: ByteString) -> String? { variables[name] }

    /// As `activate` of a virtual environment does it.
    mutating func enter(_ python: PythonEnvironment) {
        for name in ["PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV"] as [ByteString] {
            variables[name] = nil
        }
        for (name, value) in python.variables { set(name, value) }
        if let folder = python.binaries { set("PATH", folder + (self["PATH"].map { ":\($0)" } ?? "")) }
    }

    /// Nil where such a path has a colon itself.
    static func relativePath(_ path: String, from folder: String) -> String? {
        let slash = UInt8(ascii: "/")
        let (to, from) = (path.utf8.split(separator: slash), folder.utf8.split(separator: slash))
        let common = zip(to, from).prefix { $0.elementsEqual($1) }.count
        let parts =
            [String](repeating: "..", count: from.count - common) + to.dropFirst(common).map { String($0) ?? "" }
        let relative = parts.joined(separator: "/")
        return relative.utf8.contains(UInt8(ascii: ":")) ? nil : relative
    }

    /// `NAME=value`, in the order of the names.
    package var entries: [String] {
        variables.sorted { $0.key < $1.key }.map { "\($0.key.text)=\($0.value)" }
    }

    private mutating func add(_ hyperParameters: BSONDocument) {
        var total = 0
        func fits(_ value: String) -> Bool {
            let count = value.utf8.count
            guard count <= Self.valueLimit, total + count <= Self.totalLimit else { return false }
            total += count
            return true
        }
        // JSON is at most eight times shorter than BSON (arrays of digits): a larger one is not worth making.
        if hyperParameters.bytes.count <= 8 * Self.valueLimit {
            let json = hyperParameters.extendedJSON(.relaxed)
            if fits(json) { set("TENSORHUB_HYPER_PARAMETERS", json) }
        }
        for (key, value) in hyperParameters where Self.isVariableName(key) {
            let text = value.stringValue ?? value.extendedJSON(.relaxed)
            let name = "TENSORHUB_HP_\(key)"
            if variables[name.bytes] == nil, fits(text) { set(name, text) }
        }
    }

    /// A value that the kernel cannot pass on is left out; `task.json` has it.
    private mutating func set(_ name: String, _ value: String) {
        guard !value.utf8.contains(0) else { return }
        variables[name.bytes] = value
    }

    static func isVariableName(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else {
            return false
        }
        return name.utf8.allSatisfy { character in
            switch character {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
    }
}
