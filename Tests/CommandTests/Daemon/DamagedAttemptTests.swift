import BSON
import Glibc
import TensorHub
import TestSupport
import Testing

/// Scripts that ruin their own attempt directory under a real daemon: it is their own task that it costs, if any.
@Suite(.timeLimit(.minutes(30))) struct DamagedAttemptTests {
    /// Files outside that nothing may touch, and how they were.
    private struct Canary {
        let path: String
        private let before: [String]

        /// They belong to the daemon's user: what protects them is the daemon's care alone.
        init(in folder: String, isRoots: Bool) throws {
            path = "\(folder)/canary"
            for name in ["", "/folder", "/folder/inner"] { mkdir(path + name, 0o750) }
            for name in ["/file", "/folder/file", "/folder/inner/file"] {
                try writeFile(path + name, "somebody else's")
                chmod(path + name, 0o640)
            }
            for name in Self.names {
                if !isRoots { try Unprivileged.give(path + name) }
                chmod(path + name, name.hasSuffix("file") ? 0o640 : 0o550)
            }
            before = try Self.look(path)
        }

        private static let names = ["/folder/inner/file", "/folder/inner", "/folder/file", "/folder", "/file"]

        var isUntouched: Bool { (try? Self.look(path)) == before }

        private static func look(_ path: String) throws -> [String] {
            try names.map { name in
                var status = stat()
                lstat(path + name, &status)
                let content = name.hasSuffix("file") ? try readFile(path + name) : Array("\(entries(path + name))".utf8)
                let (mode, time) = (status.st_mode, status.st_mtim)
                return "\(name) \(mode) \(time.tv_sec).\(time.tv_nsec) \(String(decoding: content, as: UTF8.self))"
            }
        }
    }

    private static let users = geteuid() == 0 ? [false, true] : [false]

    @Test(arguments: users)
    func `Whatever a script makes of a file or folder of its attempt, it ends at once and hurts nobody else`(
        isRoot: Bool
    ) async throws {
        try await withCommands { fixture in
            var fixture = fixture
            fixture.environment["PATH"] = "/usr/local/bin:/usr/bin:/bin"
            let canary = try Canary(in: fixture.folder, isRoots: isRoot)
            chmod(fixture.folder, 0o777)
            var asked: [ObjectID: (AttemptDamage, AttemptDamage.Target)] = [:]
            let gate = "\(fixture.folder)/gate"
            var neighbour = TaskSpec(
                script: "#!/bin/sh\nwhile ! [ -e \(gate) ]; do sleep 0.05; done\n"
                    + "echo '{\"accuracy\": 1}' > \"$TENSORHUB_RESULT_FILE\"\n"
            )
            neighbour.savedResultKeys = ["accuracy"]
            neighbour.priority = 9
            let other = try await fixture.hub.createTask(neighbour)
            for damage in AttemptDamage.allCases {
                for target in AttemptDamage.Target.all {
                    let id = try await fixture.hub.createTask(damage.script(target, canary: canary.path))
                    asked[id] = (damage, target)
                }
            }
            let arguments = ["--state-directory", "\(fixture.folder)/state", "--slots", "9"]
            let daemon =
                isRoot
                ? try Program.start("tensorhubd", arguments, environment: fixture.environment)
                : try Program.startDaemon(arguments, environment: fixture.environment)
            let progress = try? await fixture.hub.waitForTasks(.ids(Array(asked.keys)), timeout: .seconds(300))
            if progress == nil {
                for (id, (damage, target)) in asked {
                    let task = try await fixture.hub.task(id)
                    if task.status.isUnfinished { Issue.record("\(damage) of \(target.path) is \(task.status)") }
                }
            }
            try writeFile(gate, "")
            try await fixture.hub.waitForTasks(.ids([other]), timeout: .seconds(60))
            for (id, (damage, target)) in asked {
                let task = try await fixture.hub.task(id)
                let story = "\(damage) of \(target.path): \(task.status) \(task.error?.kind ?? "") "
                #expect(damage.allows(task, target), "\(story) \(task.error?.message ?? "") \(task.history)")
            }
            #expect(try await fixture.hub.task(other).status == .finished)
            #expect(canary.isUntouched)
            let attempts = "\(fixture.folder)/state/attempts"
            #expect(await eventually { entries(attempts).isEmpty }, "\(entries(attempts))")
            for _ in 0..<3 { daemon.signal(SIGTERM) }
            let end = try await fixture.end(of: daemon)
            #expect(end.status == 0, "\(end.errors)")
            #expect(Self.processes(naming: fixture.folder).isEmpty)
        }
    }

    /// Whose command line has that text in it.
    private static func processes(naming text: String) -> [String] {
        entries("/proc").filter { Int32($0) != nil && $0 != "\(getpid())" }.filter { pid in
            let line = (try? readFile("/proc/\(pid)/cmdline")) ?? []
            return String(decoding: line, as: UTF8.self).contains(text)
        }
    }
}
