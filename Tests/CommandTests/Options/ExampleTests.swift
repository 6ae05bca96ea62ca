import BSON
import Glibc
import TensorHub
import TestSupport
import Testing

/// What the help texts show is what works.
@Suite struct ExampleTests {
    @Test func `Every example of every help text runs`() async throws {
        try await withCommands { fixture in
            var fixture = fixture
            try await Examples.prepare(fixture)
            fixture.environment["PATH"] =
                "\(fixture.folder)/bin:\(Program.folder):\(fixture.environment["PATH"] ?? "")"
            // A busy machine answers later than a person would wait.
            fixture.environment["TENSORHUB_URI"] =
                "\(fixture.uri)\(fixture.uri.contains("?") ? "&" : "?")serverSelectionTimeoutMS=60000"
            let prepared = fixture
            let all = try await Examples.all(prepared)
            #expect(all.count > 40 && all.map(\.lines.count).reduce(0, +) > 70)
            try await prepared.withDaemon("--name", "gpu1") {
                let isUp = try await eventually {
                    try await prepared.hub.findRunners().contains { $0.state == .running }
                }
                try #require(isUp)
                for examples in all {
                    try await examples.seed(prepared)
                    try await run(examples, prepared)
                }
            }
        }
    }

    private func run(_ examples: Examples, _ fixture: CommandFixture) async throws {
        var endless: [Program] = []
        var before = ""
        for line in examples.lines.map({ Examples.local($0, fixture.folder) }) {
            for target in Examples.targets(line) {
                unlink(target.hasPrefix("/") ? target : "\(fixture.folder)/\(target)")
            }
            if Examples.isEndless(line) {
                let program = try start("exec \(line)", fixture)
                #expect(await eventually { !program.output.isEmpty || program.status != nil })
                endless.append(program)
                // Only the server has something to do with the lines behind it.
                if !line.hasPrefix("tensorhub serve") { try await end(&endless, fixture) }
                continue
            }
            let program = try start(before + line, fixture)
            program.send("")
            let result = try await fixture.end(of: program)
            #expect(
                Examples.statuses(line).contains(result.status),
                "\(examples.command): \(line): \(result.status) \(result.output)\(result.errors)"
            )
            // A line may set what the next one uses.
            if line.hasPrefix("ids=") { before = "\(line)\n" }
        }
        try await end(&endless, fixture)
    }

    private func start(_ line: String, _ fixture: CommandFixture) throws -> Program {
        let shell = "set -eo pipefail; cd \"$HOME\"; \(line)"
        return try Program.start("/bin/bash", ["-c", shell], environment: fixture.environment)
    }

    private func end(_ programs: inout [Program], _ fixture: CommandFixture) async throws {
        for program in programs {
            program.signal(SIGINT)
            let result = try await fixture.end(of: program)
            #expect([0, 130].contains(result.status), "\(result.status) \(result.output)\(result.errors)")
        }
        programs = []
    }
}
