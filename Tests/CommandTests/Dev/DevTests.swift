import BSON
import Glibc
import TensorHub
import TestSupport
import Testing

/// Each starts a mongod of its own, so there are few.
@Suite struct DevTests {
    @Test func `Runs a command against its own database and runner and ends with its status`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("train.py", "test_accuracy = 1 / n\n")
            let shell = """
                ids=$(tensorhub submit \(script) -p n=2 --result test_accuracy --count 2)
                tensorhub wait $ids || exit 1
                tensorhub results $ids --best test_accuracy
                echo "$TENSORHUB_PROJECT"
                exit 7
                """
            let program = try fixture.start(
                "dev",
                "--data",
                "\(fixture.folder)/dev",
                "--slots",
                "2",
                "--",
                "sh",
                "-c",
                shell
            )
            program.send("")
            let result = try await fixture.end(of: program)
            #expect(result.status == 7, "\(result.errors)")
            #expect(result.lines.count == 4, "\(result.output) \(result.errors)")
            #expect(result.lines.first?.hasSuffix("n  test_accuracy") == true, "\(result.output)")
            #expect(result.lines.last == "test")
        }
    }

    @Test func `A command that is not there is told as a shell does`() async throws {
        try await withCommands { fixture in
            let result = try await fixture.run("dev", "--data", "\(fixture.folder)/dev", "--", "no-such-program")
            #expect(result.status == 127)
            #expect(result.errors.contains("no-such-program cannot be started"))
        }
    }

    @Test func `Prints its URI and takes everything down at Control-C`() async throws {
        try await withCommands { fixture in
            let arguments = ["dev", "--data", "\(fixture.folder)/dev"]
            let dev = try Program.start("tensorhub", arguments, environment: fixture.environment)
            #expect(await eventually(within: .seconds(60)) { dev.output.hasSuffix("\n") }, "\(dev.errors)")
            let uri = dev.output.trimmingLineEnd
            #expect(uri.hasPrefix("mongodb://127.0.0.1:"))
            #expect(await eventually { dev.errors.contains("export TENSORHUB_URI='\(uri)'") })

            let second = try await fixture.run("tensorhub", arguments)
            #expect(second.status == 1)
            #expect(second.errors.contains(uri), "\(second.errors)")

            var other = fixture
            other.environment["TENSORHUB_URI"] = uri
            let script = try fixture.file("slow.sh", "echo begun; sleep 600")
            let id = try await other.run("submit", script).output.trimmingLineEnd
            #expect(try await eventually { try await other.run("logs", id).output == "begun\n" })
            dev.signal(SIGINT)
            let result = try await fixture.end(of: dev)
            #expect(result.status == 130, "\(result.errors)")
            #expect(result.errors.contains("go back to pending"))
            #expect(try await other.run("ls").status == 69)

            // The data is there the next time, at the same place.
            let shell = "echo $TENSORHUB_URI; tensorhub ls -q"
            let again = try await fixture.run("tensorhub", arguments + ["--", "sh", "-c", shell])
            #expect(again.lines == [uri, id], "\(again.errors)")
        }
    }
}
