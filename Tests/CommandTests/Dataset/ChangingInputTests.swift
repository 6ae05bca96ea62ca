import TensorHub
import TestSupport
import Testing

/// Scripts and files of tasks that change while they are read.
@Suite struct ChangingInputTests {
    @Test func `A file of a task that is rewritten while it is read is refused by name`() async throws {
        try await withCommands { fixture in
            let size = 2 << 20
            let script = try fixture.file("t.sh", "#!/bin/sh\ntrue\n")
            let path = try fixture.file("f", [UInt8](repeating: 0, count: size))
            let isRefused = try await whileRewriting(path, size: size) {
                // On a busy machine the writer may not come to write while the file is read: then it is stored as it
                // was.
                for _ in 0..<50 {
                    let made = try await fixture.run("submit", script, "--hold", "--file", path)
                    let tasks = try await fixture.hub.findTasks()
                    if made.status != 0 {
                        #expect(
                            made.status == 2 && made.errors.contains("\(path) changes while it is read"),
                            "\(made.errors)"
                        )
                        #expect(tasks.isEmpty)
                        return true
                    }
                    // A listing leaves the files out.
                    let id = try #require(tasks.first?.id)
                    let data = try await fixture.hub.task(id).options.files.first?.data ?? []
                    #expect(data.count == size && Set(data).count == 1, "a mixture")
                    _ = try await fixture.hub.deleteTasks(.all)
                }
                return false
            }
            #expect(isRefused)
            #expect(try await fixture.run("submit", script, "--hold", "--file", path).status == 0)
        }
    }
}
