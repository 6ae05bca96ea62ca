import BSON
import Glibc
package import Settings
package import TaskRunner
import TensorHub

extension RunnerOptions {
    /// - Throws: A failure of status 2 where the supervisor that was named is not there, or the filter runs code on the
    ///   server.
    package init(_ settings: Settings) throws(CommandFailure) {
        if let path = settings.supervisorPath, access(path, X_OK) != 0 {
            throw .badInput("supervisor-path: \(path) is no program that can be run; correct it or leave it out")
        }
        do {
            try QueryDanger.check(settings.filter, field: "filter")
        } catch {
            throw .badInput(error.message)
        }
        self.init(
            name: settings.name,
            stateDirectory: settings.stateDirectory,
            slots: settings.slots,
            taskNames: settings.taskNames,
            filter: Filter(settings.filter),
            sort: settings.sort.isEmpty ? nil : Sort(settings.sort),
            lease: settings.lease,
            grace: settings.grace,
            outputLimit: settings.outputLimit,
            supervisorPath: settings.supervisorPath,
            outageLimit: settings.outageLimit,
            unleasedLimit: settings.rescueUnleased,
            allowedEnvironment: settings.allowedEnvironment,
            labels: settings.labels,
            version: Console.version,
            cacheLimit: Int64(settings.cacheLimit)
        )
    }
}

extension Runner.StopStep {
    /// What happens now, and what the next step would do.
    ///
    /// - Parameter next: How the next step is asked for: `Ctrl-C again`.
    package func words(next: String) -> String {
        switch self {
        case .draining(0), .releasing(0), .killing(0): "stopping; nothing is running"
        case .draining(let running):
            "nothing more is claimed; waiting for \(counted(running, "task")) to end. \(next) gives running tasks back"
        case .releasing(let running):
            "stopping the scripts of \(counted(running, "task")), which go back to pending. \(next) kills the scripts at once"
        case .killing(let running):
            "killing the scripts of \(counted(running, "task")), which go back to pending"
        }
    }
}
