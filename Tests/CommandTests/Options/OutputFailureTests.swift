import BSON
import Glibc
import TensorHub
import TestSupport
import Testing

/// Commands whose standard output cannot be written.
@Suite struct OutputFailureTests {
    /// How standard output is lost, as a shell writes it.
    private static let losses = ["closed": ">&-", "full": ">/dev/full", "left": "| (exec <&-; sleep 0.2)"]

    /// Runs a command with its standard output lost; its status is the last line of standard error.
    private func run(_ fixture: CommandFixture, _ loss: String, _ arguments: [String], input: String = "") async throws
        -> (status: Int32, errors: String)
    {
        let script = loss.hasPrefix("|") ? "{ sleep 0.1; \"$@\"; echo $? >&2; } \(loss)" : "\"$@\" \(loss); echo $? >&2"
        let words = ["-c", script, "sh", "\(Program.folder)/tensorhub"] + arguments
        let program = try Program.start("/bin/sh", words, environment: fixture.environment)
        program.send(input)
        let result = try await fixture.end(of: program)
        let lines = result.errors.split(separator: "\n")
        return (Int32(lines.last ?? "") ?? -1, lines.dropLast().joined(separator: "\n"))
    }

    @Test(arguments: losses.values.sorted())
    func `What was created is told on standard error, with status 1`(_ loss: String) async throws {
        try await withCommands { fixture in
            let script = try fixture.file("t.py", "pass")
            let commands: [([String], String)] = [
                (["submit", script, "--hold", "--count", "3"], ""), (["submit", script, "--hold", "--json"], ""),
                (["dataset", "put", script, "--name", "d"], ""), (["dataset", "put", "-", "--name", "d"], "x"),
                (["model", "put", script, "--name", "m"], ""), (["model", "put", script, "--name", "m", "--json"], ""),
                (["log", "add", "training", "loss=1"], ""),
                (["log", "add", "training", "-"], "{\"a\": 1}\n{\"a\": 2}\n"),
                (["model", "stage", "m", "production"], ""),
                (["dataset", "get", "d", "-o", "\(fixture.folder)/back"], ""),
            ]
            var told: [String] = []
            for (command, input) in commands {
                let result = try await run(fixture, loss, command, input: input)
                #expect(result.status == 1, "\(command): \(result.errors)")
                #expect(result.errors.contains("cannot write to standard output"), "\(command): \(result.errors)")
                told.append(result.errors)
            }
            let all = told.joined()
            let tasks = try await fixture.hub.findTasks(TaskSelection.all)
            #expect(tasks.count == 4 && tasks.allSatisfy { all.contains("\($0.id!)") })
            let entries = try await fixture.hub.logs(.training)
            #expect(entries.count == 3 && entries.allSatisfy { all.contains("\($0.id!)") })
            let contents = try await fixture.hub.findDataSets(ContentQuery()).map(\.id)
            let models = try await fixture.hub.findModels(ContentQuery()).map(\.id)
            #expect(contents.count == 2 && models.count == 2)
            #expect((contents + models).allSatisfy { all.contains("\($0!)") } && all.contains("\(fixture.folder)/back"))
        }
    }

    @Test func `A listing that cannot be written fails, but for a reader who has seen enough`() async throws {
        try await withCommands { fixture in
            try await fixture.store([:])
            for loss in [">&-", ">/dev/full"] {
                for command in [["ls"], ["ls", "--json"], ["results"], ["--help"]] {
                    let result = try await run(fixture, loss, command)
                    #expect(result.status == 1 && result.errors.contains("standard output"), "\(command) \(result)")
                }
            }
            #expect(try await run(fixture, Self.losses["left"]!, ["ls"]).status == 141)
        }
    }

    @Test func `With standard input closed a connection does not take its place`() async throws {
        try await withCommands { fixture in
            let script = "\"$0\" log add training - <&-; echo $? >&2"
            let program = try Program.start(
                "/bin/sh",
                ["-c", script, "\(Program.folder)/tensorhub"],
                environment: fixture.environment
            )
            program.send("")
            let result = try await fixture.end(of: program)
            #expect(result.errors.hasSuffix("1\n") && result.errors.contains("cannot read standard input"))
        }
    }

    @Test func `More tasks than were told are not created`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("t.py", "pass")
            let result = try await run(fixture, ">/dev/full", ["submit", script, "--hold", "--count", "10001"])
            #expect(result.status == 1 && result.errors.contains("only 10000 of the 10001 tasks were created"))
            #expect(try await fixture.hub.countTasks(TaskSelection.all)[.pending] == 10_000)
        }
    }
}
