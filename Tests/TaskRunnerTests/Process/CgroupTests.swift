import BSON
import Glibc
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

/// What only the kernel does to a script: these need control groups (version 1) and the right to make some.
@Suite(.timeLimit(.minutes(30))) struct CgroupTests {
    private static let mayMakeMemory = mayMake("memory")
    private static let mayMakeFreezer = mayMake("freezer")

    private static func folder(_ controller: String, _ name: String) -> String {
        "/sys/fs/cgroup/\(controller)/tensorhub-\(name)"
    }

    private static func mayMake(_ controller: String) -> Bool {
        let folder = folder(controller, "probe-\(getpid())")
        return mkdir(folder, 0o755) == 0 && rmdir(folder) == 0
    }

    /// Lends a control group; what is in it is killed at the end.
    private func withGroup(_ controller: String, _ body: (String) async throws -> Void) async throws {
        let folder = Self.folder(controller, "\(ObjectID())")
        try #require(mkdir(folder, 0o755) == 0)
        let result: Result<Void, any Error>
        do { result = .success(try await body(folder)) } catch { result = .failure(error) }
        if controller == "freezer" { try write("THAWED", to: "\(folder)/freezer.state") }
        #expect(await eventually { rmdir(folder) == 0 })
        try result.get()
    }

    /// In place: the kernel's files cannot be made anew.
    private func write(_ text: String, to path: String) throws {
        let file = open(path, O_WRONLY)
        try #require(file >= 0, "\(path)")
        defer { close(file) }
        try #require(Glibc.write(file, text, text.utf8.count) == text.utf8.count, "\(path)")
    }

    @Test(.enabled(if: mayMakeMemory, "needs the right to make a control group of the memory controller"))
    func `A script that the kernel kills for want of memory fails so, with what it used`() async throws {
        try await withGroup("memory") { group in
            try write("33554432", to: "\(group)/memory.limit_in_bytes")
            try await withTestHub { hub in
                try await withRunner(hub) { _ in
                    // tail keeps a line until it ends.
                    var spec = TaskSpec(
                        script: "#!/bin/sh\necho $$ > \(group)/cgroup.procs\nexec tail /dev/zero\n"
                    )
                    spec.maxFailures = 1
                    let id = try await hub.createTask(spec)
                    try await hub.waitForTasks(.ids([id]))
                    let task = try await hub.task(id)
                    #expect(task.error?.kind == "out-of-memory", "\(task.document)")
                    #expect(task.history.first?.signal == 9)
                    #expect((task.history.first?.peakMemory ?? 0) > 16 << 20)
                }
            }
        }
    }

    @Test(.enabled(if: mayMakeFreezer, "needs the right to make a control group of the freezer"))
    func `A process that survives SIGKILL keeps its slot and its task until it is gone`() async throws {
        try await withGroup("freezer") { group in
            try await withTestHub { hub in
                try await withRunner(hub, { $0.grace = .milliseconds(100) }) { runner in
                    let spec = TaskSpec(
                        script: """
                            #!/bin/sh
                            setsid sh -c 'echo $$ > \(group)/cgroup.procs; echo joined; exec sleep 1000' &
                            exec sleep 1000

                            """
                    )
                    let id = try await hub.createTask(spec)
                    #expect(
                        try await eventually {
                            try await hub.readOutput(of: id).flatMap(\.data) == Array("joined\n".utf8)
                        }
                    )
                    try write("FROZEN", to: "\(group)/freezer.state")
                    _ = try await hub.cancelTasks(.ids([id]))
                    #expect(await eventually(within: .seconds(60)) { runner.snapshot.blocked == 1 })
                    #expect(try await hub.task(id).status == .running)
                    try write("THAWED", to: "\(group)/freezer.state")
                    try await hub.waitForTasks(.ids([id]))
                    #expect(try await hub.task(id).status == .cancelled)
                    #expect(await eventually { runner.snapshot.blocked == 0 })
                }
            }
        }
    }
}
