package import BSON
package import Files
import Glibc
import TensorHub

/// What a runner prepares once to start attempts: where they live, and what all of them share.
package struct AttemptLauncher: Sendable {
    /// `<state>/attempts`.
    package let attemptsFolder: String
    private let supervisor: String
    private let damage: DamagedThings
    private let environment: ScriptEnvironment
    /// What `--python` of the runner says; `nil` takes what the path has.
    private let python: String?
    private let pythonFolder: String

    /// Makes the folders and puts the Python client in place. Blocks.
    ///
    /// - Parameters:
    ///   - stateDirectory: exists already.
    ///   - supervisor: from ``SupervisorProcess/locate(configured:)``.
    ///   - allowing: names that the configuration lets through, see ``ScriptEnvironment``.
    ///   - python: as `PythonEnvironment` reads it, for tasks that do not say.
    ///   - damage: where it is told what was in the way.
    package init(
        stateDirectory: String,
        supervisor: String,
        environment: [ByteString: String],
        allowing: [String] = [],
        python: String? = nil,
        damage: DamagedThings? = nil
    ) throws(FileError) {
        let damage = damage ?? DamagedThings(stateDirectory: stateDirectory)
        self.supervisor = supervisor
        self.python = python
        self.damage = damage
        self.environment = ScriptEnvironment(inherited: environment, allowing: allowing)
        let state = try Self.withoutLinks(stateDirectory)
        _ = try damage.folder("\(state)/attempts")
        // A person may have put it on another disk.
        attemptsFolder = try Self.withoutLinks("\(state)/attempts")
        // One that `PYTHONPATH` cannot hold is found from the attempts' folders, whose path has no links either.
        let isPlain = !stateDirectory.utf8.contains(UInt8(ascii: ":"))
        pythonFolder = try PythonClientFiles.install(in: isPlain ? stateDirectory : state, damage)
    }

    /// The links in the path of the state directory are somebody's choice, and are followed now: those that come later
    /// are not.
    static func withoutLinks(_ path: String) throws(FileError) -> String {
        guard let resolved = realpath(path, nil) else { throw FileError("open", path) }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// An attempt whose supervisor runs.
    package struct Launched: Sendable {
        package let directory: AttemptDirectory
        package let process: SupervisorProcess
        package let output: OutputReader
    }

    /// An attempt that is laid out, and how its script is started.
    package struct Prepared: Sendable {
        package let plan: AttemptPlan
        package let directory: AttemptDirectory
        package let command: ScriptCommand
        let environment: ScriptEnvironment
    }

    /// Lays the attempt out. When it throws nothing is left behind. Blocks for some milliseconds at most: for pool
    /// threads only.
    package func prepare(_ plan: AttemptPlan) throws -> Prepared {
        let place = AttemptDirectory(plan.id, in: attemptsFolder)
        var environment = environment.environment(for: plan, in: place, pythonFolder: pythonFolder)
        let python = try (plan.options.python ?? python).map { wanted throws(AttemptError) in
            try PythonEnvironment(wanted, home: environment["HOME"], path: environment["PATH"])
        }
        if let python { environment.enter(python) }
        if let folder = plan.options.workingDirectory, !isFolder(folder) {
            throw AttemptError.missing(
                "no folder '\(folder)'",
                "the folder '\(folder)' that cwd names is not on this machine"
            )
        }
        let command = try command(plan, environment, python, place)
        let directory = try makeDirectory(plan, command)
        do {
            if plan.id.number > 1 { try directory.restoreCheckpoint() }
        } catch {
            try? directory.takeBack()
            throw error
        }
        return Prepared(plan: plan, directory: directory, command: command, environment: environment)
    }

    private func command(
        _ plan: AttemptPlan,
        _ environment: ScriptEnvironment,
        _ python: PythonEnvironment?,
        _ place: AttemptDirectory
    ) throws(AttemptError) -> ScriptCommand {
        if !plan.command.isEmpty {
            let words = plan.command + plan.arguments
            return try ScriptCommand(command: words, path: environment["PATH"], python: python?.program)
        }
        return try ScriptCommand(
            script: plan.script,
            name: plan.scriptName.flatMap { ScriptCommand.usable($0, beside: plan.options.files.map(\.path)) },
            interpreter: plan.options.interpreter,
            arguments: plan.arguments,
            hasGlobals: !plan.hyperParameters.isEmpty || !plan.savedResultKeys.isEmpty,
            path: environment["PATH"],
            python: python?.program,
            folder: plan.options.workingDirectory == nil ? "" : "\(place.workPath)/",
            pythonFolder: pythonFolder
        )
    }

    private func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Once more where a script has damaged the folder of all attempts, or has put something where this one is to be.
    private func makeDirectory(_ plan: AttemptPlan, _ command: ScriptCommand) throws -> AttemptDirectory {
        do {
            return try AttemptDirectory.create(plan, command: command, in: attemptsFolder)
        } catch let error as FileError {
            switch error.number {
            case ENOENT, EACCES, ENOTDIR, ELOOP:
                // Its links were followed when the runner began: this one has come since.
                if isLink(attemptsFolder) { damage.setAside(attemptsFolder, "it is a link") }
                _ = try damage.folder(attemptsFolder)
            case EEXIST:
                let directory = AttemptDirectory(plan.id, in: attemptsFolder)
                guard damage.setAside(directory.path, "it was there before the attempt") != nil else { throw error }
            default: throw error
            }
            return try AttemptDirectory.create(plan, command: command, in: attemptsFolder)
        }
    }

    private func isLink(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    /// Starts the supervisor. When it throws nothing is left behind. Blocks likewise.
    package func start(_ prepared: Prepared) throws -> Launched {
        let (plan, directory) = (prepared.plan, prepared.directory)
        do {
            let process = try SupervisorProcess.start(
                supervisor: supervisor,
                directory: directory,
                plan: plan,
                command: prepared.command,
                environment: prepared.environment
            )
            return Launched(
                directory: directory,
                process: process,
                output: OutputReader(directory, limit: plan.outputLimit)
            )
        } catch {
            try? directory.takeBack()
            throw error
        }
    }

    /// Both, for an attempt without script API.
    package func launch(_ plan: AttemptPlan) throws -> Launched { try start(try prepare(plan)) }
}
