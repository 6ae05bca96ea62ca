import BSON
import TensorHub
import TestSupport
import Testing

/// How one data set or model is named, and where it is put.
@Suite struct ReferenceTests {
    @Test(arguments: ["dataset", "model"])
    func `A version stands in the name, and a path with a slash at its end is a folder`(_ noun: String) async throws {
        try await withCommands { fixture in
            for text in ["one", "two"] {
                let file = try fixture.file("a.txt", text)
                #expect(try await fixture.run(noun, "put", file, "--name", "a").status == 0)
            }
            #expect(try await fixture.run(noun, "get", "a@1", "-o", "-").output == "one")
            #expect(try await fixture.run(noun, "get", "a", "-o", "-").output == "two")
            #expect(try await fixture.run(noun, "show", "a@1").output.contains("version  1"))
            let missing = try await fixture.run(noun, "get", "a@3", "-o", "-")
            #expect(missing.status == 3 && missing.errors.contains("has no version 3"), "\(missing.errors)")
            // A whole name comes first.
            let whole = try fixture.file("b.txt", "whole")
            #expect(try await fixture.run(noun, "put", whole, "--name", "a@1").status == 0)
            #expect(try await fixture.run(noun, "get", "a@1", "-o", "-").output == "whole")

            let folder = "\(fixture.folder)/new/\(noun)/"
            let got = try await fixture.run(noun, "get", "a", "-o", folder)
            #expect(got.status == 0 && got.output == "\(folder)a.txt\n", "\(got.output)\(got.errors)")
            #expect(String(decoding: try readFile("\(folder)a.txt"), as: UTF8.self) == "two")
        }
    }

    @Test func `What is refused says the flag that forces it`() async throws {
        try await withCommands { fixture in
            _ = try await fixture.hub.saveModel(nil, name: "mlp", architecture: ["a": 1])
            _ = try await fixture.hub.setStage("production", of: ContentQuery(name: "mlp"))
            let result = try await fixture.run("model", "rm", "mlp")
            #expect(result.status == 1 && result.errors.hasSuffix("or force it with --force\n"), "\(result.errors)")
            #expect(try await fixture.run("model", "rm", "mlp", "--force").status == 0)
        }
    }
}
