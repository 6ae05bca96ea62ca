import BSON
import Files
import Glibc

/// Which Python a task or a runner asks for: a program, the folder of a virtual environment, or `conda:NAME`.
struct PythonEnvironment: Equatable {
    /// What `python` and `python3` stand for.
    let program: String
    /// What comes first in the path: `bin` of an environment.
    private(set) var binaries: String?
    /// What activating it sets.
    private(set) var variables: [(String, String)] = []

    /// - Parameters:
    ///   - wanted: `/usr/bin/python3.11`, `python3.11`, `/home/ann/venv`, `~/venv`, `conda:NAME` or `conda:/opt/env`.
    ///   - home: What `~` stands for.
    ///   - path: Where a name without a slash is looked for.
    /// - Throws: `cannotStart`, which names what is not on this machine.
    init(_ wanted: String, home: String?, path: String?) throws(AttemptError) {
        if let name = wanted.bytes.dropping("conda:") {
            let places = Self.condaPlaces(of: Self.expanded(name, home), home)
            guard let place = places.first(where: Self.hasPython) else {
                throw .missing(
                    "no conda environment '\(name)'",
                    "there is no conda environment '\(name)' on this machine"
                )
            }
            self.init(prefix: place)
            return
        }
        let place = Self.expanded(wanted, home)
        if Self.hasPython(place) {
            self.init(prefix: place)
        } else if place.bytes.contains("/") {
            guard ScriptCommand.isExecutableFile(place) else {
                throw .missing("no Python '\(wanted)'", "the Python '\(wanted)' is not on this machine")
            }
            let folder = GuardedPath.split(place).folder
            let prefix = GuardedPath.split(folder).folder
            if access("\(prefix)/pyvenv.cfg", F_OK) == 0 {
                self.init(prefix: prefix, program: place)
            } else {
                self.init(program: place)
            }
        } else {
            let folders = (path ?? "/usr/local/bin:/usr/bin:/bin").bytes.split(separator: ":").map(\.text)
            guard let folder = folders.first(where: { ScriptCommand.isExecutableFile("\($0)/\(place)") }) else {
                throw .missing(
                    "no Python '\(wanted)'",
                    "the Python '\(wanted)' is not on this runner's PATH (\(path ?? ""))"
                )
            }
            self.init(program: "\(folder)/\(place)")
        }
    }

    private init(program: String) { self.program = program }

    private init(prefix: String, program: String? = nil) {
        binaries = "\(prefix)/bin"
        self.program = program ?? "\(prefix)/bin/python3"
        if access("\(prefix)/conda-meta", F_OK) == 0 {
            let name = prefix.bytes.split(separator: "/").last?.text ?? prefix
            variables = [("CONDA_PREFIX", prefix), ("CONDA_DEFAULT_ENV", name)]
        } else {
            variables = [("VIRTUAL_ENV", prefix)]
        }
    }

    private static func hasPython(_ prefix: String) -> Bool { ScriptCommand.isExecutableFile("\(prefix)/bin/python3") }

    private static func expanded(_ path: String, _ home: String?) -> String {
        guard let home, let rest = path.bytes.dropping("~/") else { return path }
        return "\(home)/\(rest)"
    }

    /// Where conda keeps environments: what its own list has, then where its installers put them.
    ///
    /// conda: `environments.txt` in `~/.conda`, a prefix a line.
    private static func condaPlaces(of name: String, _ home: String?) -> [String] {
        if name.bytes.hasPrefix("/") { return [name] }
        var places: [String] = []
        if let home, let list = try? OpenFile("\(home)/.conda/environments.txt").read(upTo: 1 << 20) {
            let lines = String(decoding: list, as: UTF8.self).bytes.split(separator: "\n").map(\.text)
            places = lines.filter { $0.bytes.split(separator: "/").last == name.bytes }
        }
        let own = ["miniconda3", "miniforge3", "mambaforge", "anaconda3"]
        let roots = (home.map { home in own.map { "\(home)/\($0)" } } ?? []) + own.map { "/opt/\($0)" } + ["/opt/conda"]
        if name.bytes == "base" { return places + roots }
        return places + (home.map { ["\($0)/.conda/envs/\(name)"] } ?? []) + roots.map { "\($0)/envs/\(name)" }
    }

    static func == (one: PythonEnvironment, other: PythonEnvironment) -> Bool {
        one.program.bytes == other.program.bytes && one.binaries?.bytes == other.binaries?.bytes
    }
}
