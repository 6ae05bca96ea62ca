import Glibc

/// What a runner prepares once to start attempts: where they live, and what all of them share.
package struct AttemptLauncher: Sendable {
    /// `<state>/attempts`.
    package let attemptsFolder: String
    private let supervisor: String
    private let environment: ScriptEnvironment
    private let pythonFolder: String

    /// Makes the folders and puts the Python client in place. Blocks.
    ///
    /// - Parameters:
    ///   - stateDirectory: exists already.
    ///   - supervisor: from ``SupervisorProcess/locate(configured:)``.
    ///   - allowing: names that the configuration lets through, see ``ScriptEnvironment``.
    package init(
        stateDirectory: String,
        supervisor: String,
        environment: [String: String],
        allowing: [String] = []
    ) throws(AttemptError) {
        self.supervisor = supervisor
        self.environment = ScriptEnvironment(inherited: environment, allowing: allowing)
        let state = try Self.withoutLinks(stateDirectory)
        do throws(AttemptError) { try StateFolder(state).open(state).makeFolder("attempts", mode: 0o755) } catch {
            guard error.systemError == EEXIST else { throw error }
        }
        // A person may have put it on another disk.
        attemptsFolder = try Self.withoutLinks("\(state)/attempts")
        pythonFolder = try PythonClientFiles.install(in: stateDirectory)
    }

    /// The links in the path of the state directory are somebody's choice, and are followed now: those that come later are not.
    static func withoutLinks(_ path: String) throws(AttemptError) -> String {
        guard let resolved = realpath(path, nil) else { throw .call("open", path) }
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
    }

    /// Lays the attempt out. When it throws nothing is left behind. Blocks for some milliseconds at most: for pool threads
    /// only.
    package func prepare(_ plan: AttemptPlan) throws(AttemptError) -> Prepared {
        let command = try ScriptCommand(
            script: plan.script,
            interpreter: plan.interpreter,
            path: environment.variables["PATH"]
        )
        let directory = try AttemptDirectory.create(plan, command: command, in: attemptsFolder)
        do throws(AttemptError) {
            if plan.attempt > 1 { try directory.restoreCheckpoint() }
        } catch {
            try? directory.takeBack()
            throw error
        }
        return Prepared(plan: plan, directory: directory, command: command)
    }

    /// Starts the supervisor. When it throws nothing is left behind. Blocks likewise.
    package func start(_ prepared: Prepared) throws(AttemptError) -> Launched {
        let (plan, directory) = (prepared.plan, prepared.directory)
        do throws(AttemptError) {
            let process = try SupervisorProcess.start(
                supervisor: supervisor,
                directory: directory,
                plan: plan,
                command: prepared.command,
                environment: environment.environment(for: plan, in: directory, pythonFolder: pythonFolder)
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
    package func launch(_ plan: AttemptPlan) throws(AttemptError) -> Launched { try start(try prepare(plan)) }
}
