import BSON
import TestSupport
import Testing

@testable import tensorhub

/// Verbs that are none.
@Suite struct VerbTests {
    @Test(arguments: [
        ("sumbit", "there is no verb 'sumbit'; did you mean 'submit'? `tensorhub --help` lists the verbs"),
        ("sumbit t.py -p lr=0.1", "'sumbit'; did you mean 'submit'?"), ("sumbit --help", "did you mean 'submit'?"),
        ("help sumbit", "did you mean 'submit'?"), ("modle ls", "did you mean 'model'?"),
        ("runner lst", "`tensorhub runner` has no verb 'lst'; did you mean 'ls'? `tensorhub runner --help` lists"),
        ("help runner lst", "did you mean 'ls'?"), ("runner help", "write `tensorhub help runner`"),
        ("list", "did you mean 'ls'?"), ("ps", "did you mean 'ls'?"), ("queue", "did you mean 'ls'?"),
        ("delete 65f0c0ffee0123456789abcd", "did you mean 'rm'?"), ("kill", "did you mean 'cancel'?"),
        ("pause", "did you mean 'hold' or 'runner pause'?"), ("LIST", "did you mean 'ls'?"),
        ("log 65f0c0ffee0123456789abcd", "did you mean 'tensorhub logs'?"), ("log show", "did you mean 'ls'?"),
        ("dataset download", "did you mean 'get'?"), ("model promote", "did you mean 'stage'?"),
        ("runner kill", "did you mean 'stop'?"), ("xyzzy", "there is no verb 'xyzzy'; `tensorhub --help` lists"),
        ("mongodb://ann:secret@host/", "there is no verb 'mongodb://"),
        ("ls --statsu failed", "Did you mean '--status'?"),
        ("ls --jsno", "Did you mean '--json'?"), ("runner ls --al-states", "Did you mean '--all-states'?"),
    ])
    func `A verb that is none is told with what may have been meant`(_ line: String, _ words: String) async throws {
        try await withCommands { fixture in
            let result = try await fixture.run("tensorhub", line.split(separator: " ").map(String.init))
            #expect(result.status == 2 && result.output.isEmpty, "\(result.output)")
            #expect(result.errors.contains(words), "\(result.errors)")
            #expect(!result.errors.contains("secret"))
        }
    }

    @Test(arguments: ["help", "help submit", "help runner", "help runner ls", "help help", "runner", "submit --help"])
    func `Help is shown for what is a verb`(_ line: String) async throws {
        try await withCommands { fixture in
            let result = try await fixture.run("tensorhub", line.split(separator: " ").map(String.init))
            #expect(result.status == 0 && result.output.hasPrefix("OVERVIEW: "), "\(result.errors)")
        }
    }

    @Test func `What other programs call a verb leads to one that is there`() async throws {
        try await withCommands { fixture in
            let help = try await fixture.run("--experimental-dump-help").output
            let tool = try BSONDocument(extendedJSON: help, options: ExtendedJSONOptions(plain: true))
            let verbs = verbs(tool["command"]?.documentValue ?? [:], above: "")
            #expect(verbs.contains("submit") && verbs.contains("runner ls"))
            for (command, words) in OtherVerbs.words {
                let above = command == "" ? "" : "\(command) "
                for verb in words.values.joined() {
                    #expect(verbs.contains("\(above)\(verb)".bytes), "\(above)\(verb) is no verb")
                }
                for word in words.keys {
                    #expect(!verbs.contains("\(above)\(word)".bytes), "\(above)\(word) is a verb")
                }
            }
        }
    }

    /// With those before each, as in `runner ls`.
    private func verbs(_ command: BSONDocument, above: String) -> Set<ByteString> {
        var found: Set<ByteString> = []
        for below in command["subcommands"]?.arrayValue?.compactMap(\.documentValue) ?? [] {
            let name = above + (below["commandName"]?.stringValue ?? "")
            found.formUnion([name.bytes])
            found.formUnion(verbs(below, above: name + " "))
        }
        return found
    }
}
