import BSON

/// One key of the configuration: declared here and nowhere else. Flags, environment variables, files and the reference
/// file `config/tensorhubd.yaml` all follow from this table.
public struct SettingKey: Sendable, Hashable {
    /// As in files; the flag is `--name`.
    public let name: String
    let kind: SettingKind
    /// Where the value comes from when nobody gives one.
    let fallback: Fallback
    /// One or two sentences for the reference file.
    public let summary: String
    /// What a running daemon cannot change: it takes a new value at its next start. `nil` where SIGHUP is enough.
    var fixed: (@Sendable (Settings) -> AnyHashable)?

    /// Whether a running daemon takes a new value when it reads its settings again.
    package var isReloadable: Bool { fixed == nil }

    public static func == (lhs: SettingKey, rhs: SettingKey) -> Bool { lhs.name.bytes == rhs.name.bytes }

    public func hash(into hasher: inout Hasher) { hasher.combine(name.bytes) }

    enum Fallback: Sendable, Hashable {
        /// The same for everybody, written as in a file.
        case text(String)
        /// Depends on the machine; the words say on what, the example shows the form.
        case computed(String, example: String)
    }

    /// `TENSORHUB_` and the name in upper case, every other character an underscore.
    public var environmentVariable: String {
        "TENSORHUB_" + String(name.uppercased().map { $0 == "-" || $0 == "." ? "_" : $0 })
    }
}

/// What values a key takes.
enum SettingKind: Sendable, Hashable {
    case text
    case path
    case integer(ClosedRange<Int>)
    case duration(ClosedRange<Duration>)
    /// In bytes.
    case size(ClosedRange<Int>)
    case choice([String])
    case list
    case labels
    /// A MongoDB query.
    case filter
    /// Fields and directions.
    case sort
}

extension SettingKey {
    static let uri = SettingKey(
        name: "uri",
        kind: .text,
        fallback: .text("mongodb://127.0.0.1:27017"),
        summary: "Where MongoDB is: any connection string. Its path names the database; without one it is tensorhub.",
        fixed: { $0.uri.bytes }
    )
    static let uriFile = SettingKey(
        name: "uri-file",
        kind: .path,
        fallback: .computed("none", example: "/etc/tensorhub/uri"),
        summary: "A file that holds the uri instead, so that a password need not stand here. Give one of the two.",
        // What counts is the uri in it.
        fixed: { _ in 0 }
    )
    static let project = SettingKey(
        name: "project",
        kind: .text,
        fallback: .text("default"),
        summary: "The project whose tasks are created, shown and run.",
        fixed: { $0.project.bytes }
    )
    package static let runnerName = SettingKey(
        name: "name",
        kind: .text,
        fallback: .computed("the host name", example: "gpu1"),
        summary: "What this runner is called in listings and histories.",
        fixed: { $0.name.bytes }
    )
    package static let slots = SettingKey(
        name: "slots",
        kind: .integer(1...10_000),
        fallback: .text("1"),
        summary: "How many tasks this runner runs at once."
    )
    static let labels = SettingKey(
        name: "labels",
        kind: .labels,
        fallback: .text("{}"),
        summary: "Words about this machine, shown with the runner. In the environment: site=lab,gpu=a100.",
        fixed: { $0.labels.mapValues(\.bytes) }
    )
    static let taskNames = SettingKey(
        name: "task-names",
        kind: .list,
        fallback: .text("[]"),
        summary: "Run only tasks of these names; an empty list takes every name."
    )
    static let filter = SettingKey(
        name: "filter",
        kind: .filter,
        fallback: .text("{}"),
        summary: "Run only tasks that match this MongoDB query, written as YAML or as Extended JSON in quotes."
    )
    static let sort = SettingKey(
        name: "sort",
        kind: .sort,
        fallback: .text("{}"),
        summary: "The order in which tasks are taken, as field: 1 or -1; empty is by priority, then the oldest first."
    )
    static let stateDirectory = SettingKey(
        name: "state-directory",
        kind: .path,
        fallback: .computed(
            "/var/lib/tensorhub for root and under systemd, else $XDG_STATE_HOME/tensorhub",
            example: "/var/lib/tensorhub"
        ),
        summary: "Where running tasks live on this machine. Must be on a local disk and survive a reboot.",
        fixed: { $0.stateDirectory.bytes }
    )
    package static let lease = SettingKey(
        name: "lease",
        kind: .duration(.seconds(15)...(.seconds(3600))),
        fallback: .text("60s"),
        summary: "How long a task stays with a runner that gives no sign of life; 15s to 1h.",
        fixed: { $0.lease }
    )
    package static let grace = SettingKey(
        name: "grace",
        kind: .duration(.zero...(.seconds(86_400))),
        fallback: .text("30s"),
        summary: "The time between SIGTERM and SIGKILL for a script that has to stop."
    )
    package static let outputLimit = SettingKey(
        name: "output-limit",
        kind: .size((64 << 10)...(1 << 40)),
        fallback: .text("64MiB"),
        summary: "How much of an attempt's output is kept: its beginning and its end."
    )
    package static let cacheLimit = SettingKey(
        name: "cache-limit",
        kind: .size((1 << 20)...(1 << 50)),
        fallback: .text("20GiB"),
        summary: "How much of the disk this machine's cache of data sets and models may take."
    )
    package static let outageLimit = SettingKey(
        name: "outage-limit",
        kind: .duration(.seconds(60)...(.seconds(30 * 86_400))),
        fallback: .computed("never", example: "12h"),
        summary: "How long MongoDB may be away until the running scripts are stopped; they run on unless this is set."
    )
    package static let rescueUnleased = SettingKey(
        name: "rescue-unleased",
        kind: .duration(.seconds(60)...(.seconds(365 * 86_400))),
        fallback: .computed("never", example: "24h"),
        summary: "How long a task may run without a lease, as on TensorLayer's own runners, until it is run again."
    )
    static let supervisorPath = SettingKey(
        name: "supervisor-path",
        kind: .path,
        fallback: .computed(
            "tensorhub-supervisor beside the executable",
            example: "/usr/local/bin/tensorhub-supervisor"
        ),
        summary: "The program that owns one attempt's processes.",
        fixed: { $0.supervisorPath?.bytes }
    )
    package static let python = SettingKey(
        name: "python",
        kind: .text,
        fallback: .computed("python3 of the path", example: "/opt/venv"),
        summary: "The Python of tasks that name none: a program, a virtual environment or conda:NAME.",
        fixed: { $0.python?.bytes }
    )
    static let allowedEnvironment = SettingKey(
        name: "environment.allow",
        kind: .list,
        fallback: .text("[]"),
        summary: "More environment variables that scripts may see; a name may end in an asterisk.",
        fixed: { $0.allowedEnvironment }
    )
    package static let logLevel = SettingKey(
        name: "log-level",
        kind: .choice(["trace", "debug", "info", "notice", "warning", "error", "critical"]),
        fallback: .text("info"),
        summary: "How much is logged: trace, debug, info, notice, warning, error or critical.",
        fixed: { $0.logLevel }
    )

    /// Every key, in the order of the reference file.
    public static let all: [SettingKey] = [
        uri, uriFile, project, runnerName, slots, labels, taskNames, filter, sort, stateDirectory, lease, grace,
        outputLimit, cacheLimit, outageLimit, rescueUnleased, supervisorPath, python, allowedEnvironment,
        logLevel,
    ]

    /// The key of that name.
    public static func named(_ name: String) -> SettingKey? { all.first { $0.name.bytes == name.bytes } }

    /// The key that somebody who wrote `name` most likely meant.
    static func nearest(to name: String) -> SettingKey? {
        let name = name.lowercased()
        let best = all.map { (key: $0, distance: editDistance($0.name, name)) }.min { $0.distance < $1.distance }
        return best.flatMap { $0.distance <= max(2, $0.key.name.utf8.count / 3) ? $0.key : nil }
    }
}

/// The number of bytes to insert, remove or replace to make one text the other.
private func editDistance(_ a: String, _ b: String) -> Int {
    let a = Array(a.utf8)
    let b = Array(b.utf8.prefix(64))
    var row = Array(0...b.count)
    for i in a.indices {
        var diagonal = row[0]
        row[0] = i + 1
        for j in b.indices {
            let replaced = diagonal + (a[i] == b[j] ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(replaced, diagonal + 1, row[j] + 1)
        }
    }
    return row[b.count]
}
