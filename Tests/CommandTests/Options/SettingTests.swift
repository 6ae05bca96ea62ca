import BSON
import Console
import TaskRunner
import Testing

@testable import Settings

/// What the table of settings and the runner know of each other.
@Suite struct SettingTests {
    private func options(_ flags: [ByteString: [String]] = [:]) throws -> RunnerOptions {
        try RunnerOptions(Settings(SettingsInputs(flags: flags, hostName: "host", homeDirectory: "/home/ada")))
    }

    @Test func `The defaults of the settings are those of a runner that is made without them`() throws {
        let made = try options()
        let plain = RunnerOptions(name: "host", stateDirectory: made.stateDirectory, version: made.version)
        #expect("\(made)" == "\(plain)")
    }

    @Test func `A runner takes anew just those settings that are called reloadable`() throws {
        let examples = [
            "name": "a", "slots": "3", "labels": "a=b", "task-names": "a", "filter": #"{"a": 1}"#,
            "sort": #"{"a": 1}"#, "state-directory": "/s", "lease": "99s", "grace": "1s", "output-limit": "1MiB",
            "cache-limit": "1MiB", "outage-limit": "2m", "rescue-unleased": "2m", "supervisor-path": "/bin/sh",
            "environment.allow": "A", "python": "/opt/venv",
        ]
        let old = try options()
        for key in SettingKey.all {
            // What is no option of the runner's needs a new connection, or a new log.
            if ["uri", "uri-file", "project", "log-level"].contains(key.name) {
                #expect(!key.isReloadable, "\(key.name)")
                continue
            }
            let new = try options([key.name.bytes: [try #require(examples[key.name], "\(key.name) has no example")]])
            #expect("\(new)" != "\(old)", "\(key.name)")
            var taken = old
            taken.reload(from: new)
            #expect("\(taken)" == "\(key.isReloadable ? new : old)", "\(key.name)")
        }
    }
}
