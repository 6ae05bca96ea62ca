import BSON
import TestSupport

@testable import HubAPI
@testable import TaskRunner
@testable import TensorHub

/// A place that has to know every option of a task.
struct OptionDoor {
    let name: String
    /// Of the options given, those that the door does not know as their row has them.
    let missing: ([TaskOption]) async throws -> [String]

    init(_ name: String, missing: @escaping ([TaskOption]) async throws -> [String]) {
        self.name = name
        self.missing = missing
    }

    init(_ name: String, knows: @escaping (TaskOption) throws -> Bool) {
        self.init(name) { table in table.filter { (try? knows($0)) != true }.map(\.name) }
    }

    static func all(_ fixture: CommandFixture) -> [OptionDoor] {
        [
            OptionDoor("writer of documents") { option in
                var spec = TaskSpec(script: "pass")
                option.setSample(of: &spec.options)
                return spec.hubDocument()[option.name] == option.stored(spec.options)
            },
            OptionDoor("reader of documents") { TaskRecord(stored($0)).options == sample($0) },
            OptionDoor("plan of an attempt") { option in
                let plan = try AttemptPlan(
                    TaskRecord(stored(option)),
                    AttemptID(task: ObjectID(), number: 1),
                    token: ObjectID(),
                    runner: ObjectID(),
                    project: "p",
                    database: "",
                    options: RunnerOptions(name: "here", stateDirectory: "/")
                )
                return plan.options == sample(option)
            },
            OptionDoor("request") { option in
                try TaskSpec(request: ["script": "x", option.name: option.requested]).options == sample(option)
            },
            OptionDoor("openapi.json") { table in
                let document = try BSONDocument(extendedJSON: OpenAPIDocument.text, options: .init(plain: true))
                let path = "components.schemas.NewTask.properties"
                let fields = document.value(atPath: path)?.documentValue ?? [:]
                return table.filter { option in
                    let schema = fields[option.name]?.documentValue ?? [:]
                    return !option.schema.allSatisfy { schema[$0.key]?.extendedJSON() == $0.value.extendedJSON() }
                }.map(\.name)
            },
            OptionDoor("changes in openapi.json") { option in
                let document = try BSONDocument(extendedJSON: OpenAPIDocument.text, options: .init(plain: true))
                let path = "components.schemas.OptionChanges.properties.\(option.name).oneOf.0.$ref"
                return document.value(atPath: path)?.stringValue?.hasSuffix("/properties/\(option.name)") == true
            },
            OptionDoor("tensorhub submit") { table in
                let help = try await fixture.run("submit", "--experimental-dump-help").output
                return table.filter { option in
                    // What stands behind `--` has no name.
                    let mark = option.flag.isEmpty ? "\"postTerminator\"" : "\"name\" : \"\(option.flag)\""
                    return !help.contains(mark)
                }.map(\.name)
            },
            OptionDoor("tensorhub set") { table in
                let help = try await fixture.run("set", "--experimental-dump-help").output
                // Files come with a copy, the hold has verbs of its own, a command is another task.
                return table.filter { !["files", "hold", "command"].contains($0.name) }.filter { option in
                    !help.contains("\"name\" : \"\(option.flag.isEmpty ? "arg" : option.flag)\"")
                }.map(\.name)
            },
            OptionDoor("create_task of Python") { table in
                let program = """
                    import inspect, sys
                    sys.path.insert(0, sys.argv[1])
                    from tensorhub import tasks
                    names = inspect.signature(tasks.Tasks.create_task).parameters.values()
                    names = [name.name for name in names if name.kind == name.KEYWORD_ONLY]
                    text = tasks.Tasks.create_task.__doc__
                    print(*(name for name in names if name in tasks.OPTIONS and ":param %s:" % name in text))
                    """
                let known = try await runPython(program, ["\(packageRoot)/python"]).split { $0 == " " || $0 == "\n" }
                return table.map(\.name).filter { name in !known.contains { $0 == name } }
            },
            OptionDoor("documents.md") { table in
                let text = String(decoding: try readFile("\(packageRoot)/docs/documents.md"), as: UTF8.self)
                return table.filter { !text.contains("\n\($0.row) ") }.map { "\($0.name), which begins \($0.row)" }
            },
        ]
    }

    private static func sample(_ option: TaskOption) -> TaskOptions {
        var options = TaskOptions()
        option.setSample(of: &options)
        return options
    }

    /// A task that has nothing but the option.
    private static func stored(_ option: TaskOption) -> BSONDocument {
        let value = option.stored(sample(option)) ?? .null
        return ["_id": .objectID(ObjectID()), "script": .binary(BSONBinary(bytes: [1])), "hub": [option.name: value]]
    }
}

extension TaskOption {
    /// Something else than counts without it.
    func setSample(of options: inout TaskOptions) {
        switch value {
        case .number(let place, _): options[keyPath: place] = 7
        case .text(let place, _): options[keyPath: place] = "e\u{301}"
        case .choice(let place, let words): options[keyPath: place] = words.last
        case .texts(let place): options[keyPath: place] = ["e\u{301}", "{}"]
        case .variables(let place): options[keyPath: place] = ["A": "e\u{301}"]
        case .duration(let place, _): options[keyPath: place] = .milliseconds(1500)
        case .time(let place): options[keyPath: place] = BSONDateTime(millisecondsSince1970: 1_900_000_000_000)
        case .flag(let place): options[keyPath: place] = true
        case .rules(let place): options[keyPath: place] = [FailureRule(.exit(3), .fail)]
        case .files(let place): options[keyPath: place] = [TaskFile(path: "a/b", data: Array("text".utf8))]
        }
    }

    /// The same as a request has it.
    var requested: BSONValue {
        switch value {
        case .rules: ["exit=3:fail"]
        case .files: [["path": "a/b", "data": "text"]]
        default:
            {
                var options = TaskOptions()
                setSample(of: &options)
                return stored(options) ?? .null
            }()
        }
    }

    /// What openapi.json has to say of it, besides words.
    var schema: BSONDocument {
        switch value {
        case .number(_, let least):
            ["type": "integer", "minimum": .init(smallest: Int(least)), "maximum": 2_147_483_647]
        case .text: ["type": "string"]
        case .choice(_, let words): ["type": "string", "enum": .array(words.map(BSONValue.string))]
        case .texts: ["type": "array", "items": ["type": "string"]]
        case .variables: ["type": "object", "additionalProperties": ["type": "string"]]
        case .duration(_, let zero): ["type": "number", zero ? "minimum" : "exclusiveMinimum": 0]
        case .time: ["$ref": "#/components/schemas/Date"]
        case .flag: ["type": "boolean"]
        case .rules, .files: ["type": "array"]
        }
    }

    /// As documents.md has it, but for the description.
    var row: String {
        let type =
            switch value {
            case .number(_, let least): least == .min ? "int32" : "int32, at least \(least)"
            case .text: "string"
            case .choice(_, let words): words.joined(separator: " \\| ")
            case .texts: "[string]"
            case .variables: "{NAME string}"
            case .duration(_, let zero): "double, \(zero ? "at least" : "above") 0"
            case .time: "date"
            case .flag: "bool"
            case .rules: "[{exit \\| signal \\| kind \\| output, then string}]"
            case .files: "[{path string, mode int32, data binary}]"
            }
        return "| `\(name)` | \(type) | \(fallback) | `--\(flag)` |"
    }
}
