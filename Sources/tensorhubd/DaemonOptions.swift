import ArgumentParser
import BSON
import Settings

/// Every key of the settings as a flag.
struct DaemonOptions: ParsableArguments {
    @Option(help: "MongoDB's connection string; its path names the database.")
    var uri: String?

    @Option(help: "A file that holds the connection string.", completion: .file())
    var uriFile: String?

    @Option(help: "The project whose tasks are run.")
    var project: String?

    @Option(help: "What this runner is called (\(SettingKey.runnerName.defaultText)).")
    var name: String?

    @Option(help: "How many tasks run at once (\(SettingKey.slots.defaultText)).")
    var slots: String?

    @Option(help: "Words about this machine: site=lab,gpu=a100; may be repeated.")
    var labels: [String] = []

    @Option(help: "Run only tasks of these names: mnist,cifar; may be repeated.")
    var taskNames: [String] = []

    @Option(help: "Run only tasks that match this MongoDB filter, in Extended JSON.")
    var filter: String?

    @Option(help: "The order in which tasks are taken: '{\"hyper_parameters.n\": 1}'.")
    var sort: String?

    @Option(help: "Where running tasks live on this machine.", completion: .directory)
    var stateDirectory: String?

    @Option(help: "How long a task stays with a runner that gives no sign of life (\(SettingKey.lease.defaultText)).")
    var lease: String?

    @Option(help: "From SIGTERM to SIGKILL for a script that has to stop (\(SettingKey.grace.defaultText)).")
    var grace: String?

    @Option(help: "How much of an attempt's output is kept (\(SettingKey.outputLimit.defaultText)).")
    var outputLimit: String?

    @Option(
        help: "How much of the disk the cache of data sets and models may take (\(SettingKey.cacheLimit.defaultText))."
    )
    var cacheLimit: String?

    @Option(
        help:
            "How long MongoDB may be away until the running scripts are stopped (\(SettingKey.outageLimit.defaultText))."
    )
    var outageLimit: String?

    @Option(
        help:
            "How long a task may run without a lease until it is run again (\(SettingKey.rescueUnleased.defaultText))."
    )
    var rescueUnleased: String?

    @Option(help: "The program that owns one attempt's processes.", completion: .file())
    var supervisorPath: String?

    @Option(help: "The Python of tasks that name none: a program, a virtual environment or conda:NAME.")
    var python: String?

    @Option(
        name: .customLong("environment.allow"),
        help: "More environment variables that scripts may see; may be repeated."
    )
    var allowedEnvironment: [String] = []

    @Option(
        help:
            "How much is logged: trace, debug, info, notice, warning, error or critical (\(SettingKey.logLevel.defaultText))."
    )
    var logLevel: String?

    @Option(help: "A configuration file to read instead of the user's and the system's.", completion: .file())
    var config: String?

    func settings() throws(SettingsError) -> Settings {
        let single: [ByteString: String?] = [
            "uri": uri, "uri-file": uriFile, "project": project, "name": name, "slots": slots, "filter": filter,
            "sort": sort, "state-directory": stateDirectory, "lease": lease, "grace": grace,
            "output-limit": outputLimit, "cache-limit": cacheLimit, "outage-limit": outageLimit,
            "rescue-unleased": rescueUnleased, "supervisor-path": supervisorPath, "python": python,
            "log-level": logLevel,
        ]
        var flags = single.compactMapValues { $0.map { [$0] } }
        flags["labels"] = labels
        flags["task-names"] = taskNames
        flags["environment.allow"] = allowedEnvironment
        var settings = try Settings(.ofProcess(flags: flags, configFile: config))
        TestLease.apply(to: &settings)
        return settings
    }
}
