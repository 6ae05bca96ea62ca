import BSON
import TestSupport
import Testing

@Suite struct ConnectionTests {
    @Test(arguments: ["mongodb://127.0.0.1:1", "mongodb://ann:geheim@127.0.0.1:1/db?replicaSet=rs0"])
    func `Nobody listening is told in one sentence within four seconds`(_ uri: String) async throws {
        try await withCommands { fixture in
            var fixture = fixture
            fixture.environment["TENSORHUB_URI"] = uri
            var times: [Duration] = []
            var result = ProgramResult(status: 0, output: "", errors: "")
            // More than once: other tests may hold the processor for seconds.
            while times.count < 4, times.last.map({ $0 >= .seconds(4) }) ?? true {
                let start = ContinuousClock.now
                result = try await fixture.run("ls")
                times.append(start.duration(to: .now))
            }
            #expect(times.last ?? .zero < .seconds(4), "\(times)")
            #expect(result.status == 69)
            #expect(result.output.isEmpty)
            #expect(result.lines.count <= 1)
            for part in ["127.0.0.1:1", "TENSORHUB_URI", "tensorhub dev", "mongod"] {
                #expect(result.errors.contains(part), "\(result.errors)")
            }
            #expect(!result.errors.contains("geheim"))
        }
    }

    @Test(arguments: [
        "mongodb://ann:geheim@", "mongodb://ann:geheim@host:0", "mongodb://ann:geheim@host:port/db",
        "mongodb://ann:ge@heim@host/db", "mongo://ann:geheim@host", "mongodb://ann:geheim%zz@host",
    ])
    func `A malformed URI is refused without its password`(_ uri: String) async throws {
        try await withCommands { fixture in
            let result = try await fixture.run("ls", "--uri", uri)
            #expect(result.status == 2, "\(result.errors)")
            #expect(!result.errors.contains("heim"), "\(result.errors)")
            #expect(result.errors.contains("uri"))
        }
    }

    @Test func `The user's file gives the connection`() async throws {
        try await withCommands { fixture in
            var fixture = fixture
            fixture.environment["TENSORHUB_URI"] = nil
            fixture.environment["TENSORHUB_PROJECT"] = nil
            let file = try fixture.file("config.yaml", "uri: \(fixture.uri)\nproject: test\n")
            try await fixture.store([:])
            #expect(try await fixture.run("ls", "--config", file).status == 0)
            #expect(try await fixture.run("ls", "--config", file, "--project", "other").status == 3)
            fixture.environment["TENSORHUB_CONFIG"] = file
            #expect(try await fixture.run("ls").status == 0)
        }
    }

    @Test func `A daemon's filter that runs code on the server is refused`() async throws {
        try await withCommands { fixture in
            var fixture = fixture
            fixture.environment["TENSORHUB_URI"] = "mongodb://127.0.0.1:1"
            let settings = ["filter: {$or: [{a: 1}, {$where: 'sleep(1000) || true'}]}", "sort: {a: {$function: 1}}"]
            for (text, words) in zip(settings, ["filter.$or.1.$where", "sort"]) {
                let file = try fixture.file("config.yaml", text + "\n")
                let result = try await fixture.run("tensorhubd", ["--once", "--config", file])
                #expect(result.status == 2, "\(result.errors)")
                #expect(result.errors.contains(words), "\(result.errors)")
            }
        }
    }

    @Test func `An unknown key of a file is refused`() async throws {
        try await withCommands { fixture in
            let file = try fixture.file("config.yaml", "urk: x\n")
            for program in ["tensorhub", "tensorhubd"] {
                let arguments = program == "tensorhub" ? ["ls"] : []
                let result = try await fixture.run(program, arguments + ["--config", file])
                #expect(result.status == 2)
                #expect(result.errors.contains("`urk`") && result.errors.contains("line 1"), "\(result.errors)")
            }
        }
    }

    @Test func `Help has an example for every verb`() async throws {
        try await withCommands { fixture in
            let verbs = [
                "submit", "ls", "show", "logs", "wait", "results", "cancel", "retry", "hold", "release", "rm", "dev",
            ]
            for verb in verbs {
                let result = try await fixture.run(verb, "--help")
                #expect(result.status == 0)
                #expect(result.output.contains("Example"), "\(verb)")
                #expect(result.output.contains("tensorhub \(verb)"), "\(verb)")
            }
            for shell in ["bash", "zsh", "fish"] {
                let result = try await fixture.run("--generate-completion-script", shell)
                #expect(result.status == 0)
                #expect(result.output.contains("results"))
            }
        }
    }
}
