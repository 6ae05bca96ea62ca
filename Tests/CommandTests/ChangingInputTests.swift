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
            let made = try await whileRewriting(path, size: size) {
                try await fixture.run("submit", script, "--hold", "--file", path)
            }
            #expect(made.status == 2 && made.errors.contains("\(path) changes while it is read"), "\(made.errors)")
            #expect(try await fixture.hub.findTasks().isEmpty)
            #expect(try await fixture.run("submit", script, "--hold", "--file", path).status == 0)
        }
    }
}
