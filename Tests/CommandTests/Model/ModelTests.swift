import BSON
import TensorHub
import TestSupport
import Testing

/// `model put`, `get`, `ls`, `show`, `diff`, `stage` and `rm`.
@Suite struct ModelTests {
    private func safetensors(_ rows: Int) -> [UInt8] {
        let text = Array(#"{"w": {"dtype": "U8", "shape": [\#(rows)], "data_offsets": [0, \#(rows)]}}"#.utf8)
        return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> ($0 * 8)) } + text + noise(rows)
    }

    @Test func `Parameters, architecture and metrics are found by the best`() async throws {
        try await withCommands { fixture in
            let architecture = try fixture.file("mlp.json", #"{"layers": [{"units": 800}], "dropout": NaN}"#)
            for (index, accuracy) in ["0.9", "0.97", "0.5"].enumerated() {
                let path = try fixture.file("mlp.safetensors", safetensors(100 + index))
                let put = try await fixture.run(
                    "model",
                    "put",
                    path,
                    "--architecture",
                    architecture,
                    "--metric",
                    "test_accuracy=\(accuracy)",
                    "--tag",
                    "by=ann"
                )
                #expect(put.status == 0 && ObjectID(put.output.trimmingLineEnd) != nil, "\(put.errors)")
                #expect(put.errors.hasPrefix("model 'mlp' version \(index + 1): 1 file"))
            }
            let best = try await fixture.run(
                "model",
                "get",
                "-",
                "--sort",
                "test_accuracy:-1",
                "-o",
                "\(fixture.folder)/best"
            )
            #expect(best.status == 0 && best.errors.hasPrefix("model 'mlp' version 2"), "\(best.errors)")
            #expect(try readFile("\(fixture.folder)/best") == safetensors(101))
            let list = try await fixture.run("model", "ls", "--sort", "test_accuracy:-1", "--json")
            let order = try BSONValue(extendedJSON: list.output).arrayValue?.compactMap {
                $0.documentValue?.value(atPath: "hub.version")?.intValue
            }
            #expect(order == [2, 1, 3])
            let show = try await fixture.run("model", "show", "mlp")
            #expect(show.output.contains("layers   [{\"units\": 800}]"), "\(show.output)")
            #expect(show.output.contains("w       102    uint8       102"), "\(show.output)")
            let bad = try await fixture.run("model", "put", architecture, "--metric", "a=b")
            #expect(bad.status == 2)
        }
    }

    @Test func `An architecture alone may be any file`() async throws {
        try await withCommands { fixture in
            let text = try fixture.file("net.py", "class Net: pass\n")
            #expect(try await fixture.run("model", "put", "--architecture", text).status == 0)
            let stored = try await fixture.hub.findModel(ContentQuery(name: "net"))
            #expect(stored.architecture == ["file": "net.py", "text": "class Net: pass\n"])
            let get = try await fixture.run("model", "get", "net", "-o", "-")
            #expect(get.status == 3 && get.errors.contains("architecture alone"))
            #expect(try await fixture.run("model", "put").status == 2)
        }
    }

    @Test func `A stage is held by one version and guards it`() async throws {
        try await withCommands { fixture in
            for size in 1...3 { try await fixture.hub.saveModel(.bytes(safetensors(size), as: "w"), name: "mlp") }
            let set = try await fixture.run("model", "stage", "mlp", "production", "--version", "1")
            #expect(
                ObjectID(set.output.trimmingLineEnd) != nil
                    && set.errors == "model 'mlp' version 1 is 'production' now\n"
            )
            #expect(try await fixture.run("model", "stage", "mlp", "production", "--version", "2").status == 0)
            let list = try await fixture.run("model", "ls")
            #expect(list.lines.map { $0.contains("production") } == [false, false, true, false])
            let get = try await fixture.run("model", "get", "mlp", "--stage", "production", "-o", "\(fixture.folder)/w")
            #expect(get.errors.hasPrefix("model 'mlp' version 2"))
            #expect(try await fixture.run("model", "show", "mlp", "--stage", "prod").status == 3)

            let refused = try await fixture.run("model", "rm", "mlp", "--all")
            #expect(refused.status == 1 && refused.errors.contains("'production'"))
            #expect(try await fixture.hub.findModels().count == 3)
            #expect(try await fixture.run("model", "stage", "mlp", "production", "--unset").status == 0)
            #expect(try await fixture.run("model", "stage", "mlp", "production", "--unset").status == 3)
            #expect(try await fixture.run("model", "rm", "mlp", "--all").errors == "3 models deleted\n")
            #expect(try await fixture.run("model", "stage", "mlp", "production").status == 3)
        }
    }

    @Test func `Two versions are compared`() async throws {
        try await withCommands { fixture in
            for units in [10, 20] {
                try await fixture.hub.saveModel(
                    .bytes(safetensors(units), as: "w"),
                    name: "mlp",
                    architecture: ["units": .init(smallest: units)]
                )
            }
            try await fixture.hub.setStage("production", of: ContentQuery(name: "mlp", version: 1))
            let diff = try await fixture.run("model", "diff", "mlp@production", "mlp")
            #expect(diff.status == 0, "\(diff.errors)")
            #expect(
                diff.lines.prefix(4) == [
                    "architecture", "  ~ units  10 -> 20", "tensors", "  ~ w  uint8 10 -> uint8 20",
                ]
            )
            #expect(diff.errors.contains("differ"))
            let json = try await fixture.run("model", "diff", "mlp@1", "mlp@2", "--json")
            #expect(try BSONDocument(extendedJSON: json.output).value(atPath: "tensors.0.after.shape.0") == 20)
            #expect(try await fixture.run("model", "diff", "mlp@1", "mlp@1").errors.contains("are alike"))
            #expect(try await fixture.run("model", "diff", "mlp@1", "mlp@7").status == 3)
        }
    }

    @Test func `A model is named with its version or stage`() async throws {
        try await withCommands { fixture in
            try await fixture.hub.saveModel(nil, name: "mlp", architecture: ["a": 1])
            try await fixture.hub.saveModel(nil, name: "mlp", architecture: ["a": 2])
            try await fixture.hub.setStage("production", of: ContentQuery(name: "mlp", version: 1))
            for name in ["mlp@1", "mlp@production"] {
                let shown = try await fixture.run("model", "show", name)
                #expect(shown.status == 0, "\(shown.errors)")
                #expect(shown.output.contains("production"), "\(shown.output)")
            }
            let twice = try await fixture.run(
                "tensorhub",
                ["model", "put", try fixture.file("m", "1"), "--metric", "x=1", "--tag", "x=2"]
            )
            #expect(twice.status == 2 && twice.errors.contains("by --tag and by --metric"), "\(twice.errors)")
        }
    }
}
