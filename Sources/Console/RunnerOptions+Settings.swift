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
            python: settings.python,
            outageLimit: settings.outageLimit,
            unleasedLimit: settings.rescueUnleased,
            allowedEnvironment: settings.allowedEnvironment,
            labels: settings.labels,
            version: Console.version,
            cacheLimit: Int64(settings.cacheLimit)
        )
    }
}
