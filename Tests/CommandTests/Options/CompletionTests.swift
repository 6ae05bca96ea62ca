import BSON
import Glibc
import TensorHub
import TestSupport
import Testing

/// What a shell completes from MongoDB.
@Suite struct CompletionTests {
    /// Completes the last of the words in bash, as a person at the tab key would.
    private func bash(_ fixture: CommandFixture, _ words: [String]) async throws -> ProgramResult {
        let program = """
            source <(tensorhub --generate-completion-script bash)
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
            _tensorhub tensorhub "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            printf '%s\\n' "${COMPREPLY[@]}"
            """
        let shell = try Program.start(
            "/bin/bash",
            ["-c", program, "bash"] + words,
            environment: environment(fixture)
        )
        shell.send("")
        return try await fixture.end(of: shell)
    }

    private func environment(_ fixture: CommandFixture) -> [String: String] {
        var environment = fixture.environment
        environment["PATH"] = "\(Program.folder):\(environment["PATH"] ?? "")"
        // A busy machine takes longer than a person waits.
        if environment["TENSORHUB_COMPLETION_LIMIT"] == nil { environment["TENSORHUB_COMPLETION_LIMIT"] = "50s" }
        return environment
    }

    @Test func `Ids come the newest first in bash, and names of what there is`() async throws {
        try await withCommands { fixture in
            let ids = try await fixture.store(
                ["task_name": "mnist", "status": "pending"],
                ["task_name": "two words"]
            )
            let newest = ids.sorted { $0 > $1 }.map(\.description)
            _ = try await fixture.hub.saveDataSet(.bytes([1], as: "f"), name: "digits")
            _ = try await fixture.hub.saveModel(nil, name: "mlp", architecture: ["a": 1])
            let cases: [([String], [String])] = [
                (["show", ""], newest), (["wait", newest[0], ""], newest), (["logs", newest[1]], [newest[1]]),
                (["cancel", ""], ["\(ids[0])"]), (["retry", ""], ["\(ids[1])"]),
                (["ls", "--name", ""], ["mnist", "two words"]), (["ls", "--name", "m"], ["mnist"]),
                (["log", "ls", "training", "--name", "t"], ["two words"]), (["ls", "--project", ""], ["test"]),
                (["dataset", "get", ""], ["digits"]), (["model", "show", "m"], ["mlp"]),
                (["model", "ls", ""], ["mlp"]),
                (["dataset", "rm", "d"], ["digits"]), (["sub"], ["submit"]),
            ]
            for (words, expected) in cases {
                let result = try await bash(fixture, ["tensorhub"] + words)
                #expect(result.lines == expected, "\(words): \(result.errors)")
            }
        }
    }

    @Test func `A name that a shell would run is a word like any other`() async throws {
        try await withCommands { fixture in
            let name = "a$(touch \(fixture.folder)/run)`touch \(fixture.folder)/run`'\"\\"
            try await fixture.store(["task_name": .string(name)], ["task_name": "b\nc"], ["task_name": "-rf"])
            #expect(try await bash(fixture, ["tensorhub", "ls", "--name", ""]).lines == [name])
            #expect(access("\(fixture.folder)/run", F_OK) != 0)
        }
    }

    @Test func `Descriptions go to zsh and fish`() async throws {
        try await withCommands { fixture in
            let id = try await fixture.store(["task_name": "a:b", "status": "pending", "hub": ["hold": true]])[0]
            for (shell, words, expected) in [
                (
                    "zsh", ["show", "--", "positional@0", "2", "0", "tensorhub", "show", ""],
                    "\(id):a:b, pending (held)\n \n"
                ),
                (
                    "fish", ["show", "--", "positional@0", "2", "0", "tensorhub", "show", ""],
                    "\(id)\ta:b, pending (held)\n"
                ),
                ("zsh", ["ls", "--", "--name", "3", "0", "tensorhub", "ls", "--name", ""], "a\\:b\n \n"),
            ] {
                var other = fixture
                other.environment["SAP_SHELL"] = shell
                other.environment["TENSORHUB_COMPLETION_LIMIT"] = "50s"
                let result = try await other.run("tensorhub", ["---completion"] + words)
                #expect(result.output == expected, "\(shell) \(words)")
            }
        }
    }

    /// Both complete only at a terminal; that they read their script and know what completes is all that is tried here.
    @Test(arguments: [
        (
            "/usr/bin/zsh",
            "autoload -Uz compinit; compinit -u -D; source <(tensorhub --generate-completion-script zsh); "
                + "echo $_comps[tensorhub]", "_tensorhub"
        ),
        (
            "/usr/bin/fish",
            "tensorhub --generate-completion-script fish | source; complete -c tensorhub | "
                + "string match -q -- '*positional@0*'; and echo _tensorhub", "_tensorhub"
        ),
    ])
    func `Scripts are read by zsh and by fish`(_ shell: String, _ program: String, _ expected: String) async throws {
        guard access(shell, X_OK) == 0 else {
            try Test.cancel("\(shell) is not installed")
        }
        try await withCommands { fixture in
            let flag = shell.hasSuffix("fish") ? "--no-config" : "-f"
            let started = try Program.start(shell, [flag, "-c", program], environment: environment(fixture))
            started.send("")
            let result = try await fixture.end(of: started)
            #expect(result.lines == [expected], "\(result.output)\(result.errors)")
        }
    }

    /// One that does not answer takes connections and says nothing.
    @Test(arguments: [true, false])
    func `A MongoDB that is away or silent completes nothing, without a word`(_ isListening: Bool) async throws {
        try await withCommands { fixture in
            let port = try freeLoopbackPort()
            let descriptor = isListening ? try listen(port) : -1
            defer { if descriptor >= 0 { close(descriptor) } }
            var other = fixture
            other.environment["TENSORHUB_URI"] = "mongodb://127.0.0.1:\(port)/"
            other.environment["TENSORHUB_COMPLETION_LIMIT"] = "200ms"
            let result = try await bash(other, ["tensorhub", "show", ""])
            #expect(result.output == "\n" && result.errors.isEmpty, "\(result.output)\(result.errors)")
        }
    }

    @Test func `Options of the command line say where to look, unless only the shell knows them`() async throws {
        try await withCommands { fixture in
            try await fixture.store(["task_name": "mnist"])
            var other = fixture
            other.environment["TENSORHUB_URI"] = "mongodb://127.0.0.1:1/"
            // As bash cuts it.
            let uri = fixture.uri.split(separator: ":", maxSplits: 1)
            let words = ["tensorhub", "ls", "--uri", String(uri[0]), ":", String(uri[1]), "--name", ""]
            #expect(try await bash(other, words).lines == ["mnist"])
            let unknown = try await bash(fixture, ["tensorhub", "ls", "--uri", "$DB", "--name", ""])
            #expect(unknown.output == "\n" && unknown.errors.isEmpty)
        }
    }

    private func listen(_ port: Int) throws -> CInt {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(status == 0 && Glibc.listen(descriptor, 8) == 0)
        return descriptor
    }
}
