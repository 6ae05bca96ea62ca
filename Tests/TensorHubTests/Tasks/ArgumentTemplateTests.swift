import BSON
import Testing

@testable import TensorHub

@Suite struct ArgumentTemplateTests {
    static let parameters: BSONDocument = [
        "lr": 0.1, "n": 3, "name": "a b", "on": true, "none": .null, "layers": [800, 600],
        "optimizer": ["kind": "adam", "betas": [0.9, 0.99]], "whole": 1.0, "big": .int64(5_000_000_000),
        "nan": .double(.nan), "e\u{301}": "bytes", "learning-rate": 7, "0": "zero",
    ]

    private func filled(_ text: String) throws -> String? {
        var options = TaskOptions()
        options.arguments = [text]
        return try ArgumentTemplate.arguments(options, Self.parameters).first
    }

    @Test(arguments: [
        ("{lr}", "0.1"), ("--lr={lr}", "--lr=0.1"), ("{n}{n}", "33"), ("{name}", "a b"), ("{on}", "true"),
        ("{none}", "null"), ("{layers}", "[800, 600]"), ("{layers.1}", "600"), ("{optimizer.kind}", "adam"),
        ("{optimizer.betas.0}", "0.9"), ("{optimizer}", #"{"kind": "adam", "betas": [0.9, 0.99]}"#), ("{whole}", "1.0"),
        ("{big}", "5000000000"), ("{nan}", "nan"), ("{e\u{301}}", "bytes"), ("{learning-rate}", "7"), ("{0}", "zero"),
        (#"{"lr":{lr}}"#, #"{"lr":0.1}"#),
    ])
    func `A hyper-parameter in braces is filled in`(template: String, argument: String) throws {
        #expect(try filled(template)?.bytes == argument.bytes)
    }

    @Test(arguments: [
        "", "{}", "{{}}", "{{lr}}", "{{none at all}}", #"{"a":1}"#, #"{"a": {"b": [1]}}"#, "{1,2}", "{ lr }", "{1}",
        "}{",
        "{lr", "lr}", "{:.3f}", "a{b c}d",
    ])
    func `Everything else passes as it is`(text: String) throws {
        #expect(try filled(text) == text)
    }

    @Test(arguments: [
        ("{rl}", "did you mean '{lr}'"), ("{optimizer.lr}", "names no hyper-parameter"), ("{layers.2}", "names no"),
        ("{\u{E9}}", "names no hyper-parameter"), ("x{unknown_one}", "double the braces"),
    ])
    func `A word in braces that is no hyper-parameter is refused by name`(text: String, words: String) throws {
        let error = try #require(throws: HubError.self) { try filled(text) }
        #expect(error.field == "args" && error.message.contains(words), "\(error)")
    }

    @Test func `All hyper-parameters are handed over in the form that was asked for`() throws {
        func arguments(_ style: ArgumentStyle) throws -> [String] {
            var options = TaskOptions()
            options.parameterArguments = style
            options.arguments = ["last"]
            let parameters: BSONDocument = [
                "lr": 0.1, "on": true, "off": false, "layers": [1, 2], "o": ["k": "a b", "deep": ["x": 1]], "none": [:],
            ]
            return try ArgumentTemplate.arguments(options, parameters)
        }
        #expect(
            try arguments(.hyphens) == [
                "--lr=0.1", "--on=true", "--off=false", "--layers=[1, 2]", "--o.k=a b", "--o.deep.x=1", "--none={}",
                "last",
            ]
        )
        #expect(
            try arguments(.noHyphens) == [
                "lr=0.1", "on=true", "off=false", "layers=[1, 2]", "o.k=a b", "o.deep.x=1", "none={}", "last",
            ]
        )
        #expect(
            try arguments(.noBooleanFlags) == [
                "--lr=0.1", "--on", "--layers=[1, 2]", "--o.k=a b", "--o.deep.x=1", "--none={}", "last",
            ]
        )
    }

    @Test func `A task is checked with its own hyper-parameters, also where its options are another task's`() throws {
        var first = TaskSpec(script: "pass", hyperParameters: ["lr": 1])
        first.arguments = ["{lr}"]
        var second = first
        second.hyperParameters = ["rate": 1]
        try first.validate()
        #expect(throws: HubError.self) { try second.validate(after: first) }
    }

    @Test(arguments: [
        (["a\0b"], "NUL"), ([String(repeating: "x", count: 1 << 17)], "longer"),
        ([String](repeating: String(repeating: "x", count: 1 << 16), count: 9), "longer"),
    ])
    func `Arguments that no program can be given are refused`(arguments: [String], words: String) throws {
        var spec = TaskSpec(script: "pass")
        spec.arguments = arguments
        let error = try #require(throws: HubError.self) { try spec.validate() }
        #expect(error.field == "args" && error.message.contains(words), "\(error)")
    }

    @Test func `A command is stored as words and as a line for people, and has no script`() throws {
        let spec = TaskSpec(command: ["python3", "-m", "pkg", "it's", "{lr}", ""], hyperParameters: ["lr": 1])
        try spec.validate()
        let document = spec.preview(project: "p")
        #expect(document.value(atPath: "hub.command")?.arrayValue?.count == 6)
        #expect(String(decoding: spec.options.commandText, as: UTF8.self) == "python3 -m pkg 'it'\\''s' {lr} ''\n")
        var both = spec
        both.script = [1]
        #expect(throws: HubError.self) { try both.validate() }
    }
}
