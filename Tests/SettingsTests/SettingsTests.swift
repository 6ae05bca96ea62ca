import BSON
import Settings
import Testing

/// Inputs whose files are given by path.
private func inputs(
    files: [String: String] = [:],
    environment: [ByteString: String] = [:],
    flags: [ByteString: [String]] = [:],
    config: String? = nil
) -> SettingsInputs {
    SettingsInputs(
        flags: flags,
        configFile: config,
        environment: environment,
        hostName: "gpu7",
        homeDirectory: "/home/ada",
        currentDirectory: "/home/ada/here",
        readFile: { path in files[path].map { .content(Array($0.utf8)) } ?? .missing }
    )
}

private let systemFile = "/etc/tensorhub/tensorhubd.yaml"
private let userFile = "/home/ada/.config/tensorhub/config.yaml"

/// The sentence that somebody with this system file sees.
private func fault(in text: String) -> String {
    do {
        let settings = try Settings(inputs(files: [systemFile: text]))
        return "accepted: \(settings)"
    } catch {
        return error.description
    }
}

@Suite struct SettingsTests {
    @Test func `Without anything given every key has its documented default`() throws {
        let settings = try Settings(inputs())
        #expect(settings.uri == "mongodb://127.0.0.1:27017")
        #expect(settings.project == "default")
        #expect(settings.name == "gpu7")
        #expect(settings.slots == 1)
        #expect(settings.labels.isEmpty && settings.taskNames.isEmpty && settings.allowedEnvironment.isEmpty)
        #expect(settings.filter.isEmpty && settings.sort.isEmpty)
        #expect(settings.lease == .seconds(60))
        #expect(settings.grace == .seconds(30))
        #expect(settings.outputLimit == 64 * 1024 * 1024)
        #expect(settings.supervisorPath == nil)
        #expect(settings.logLevel == "info")
        #expect(settings.stateDirectory == "/home/ada/.local/state/tensorhub")
        #expect(settings.dataDirectory == "/home/ada/.local/share/tensorhub")
        #expect(settings.origins.isEmpty)
    }

    @Test func `A flag beats the environment, which beats the user's file, which beats the system's`() throws {
        let files = [
            systemFile: "slots: 1\nproject: system\nname: system\nlog-level: debug",
            userFile: "slots: 2\nproject: user\nname: user",
        ]
        let environment: [ByteString: String] = ["TENSORHUB_SLOTS": "3", "TENSORHUB_PROJECT": "environment"]
        let settings = try Settings(inputs(files: files, environment: environment, flags: ["slots": ["4"]]))
        #expect(settings.slots == 4)
        #expect(settings.project == "environment")
        #expect(settings.name == "user")
        #expect(settings.logLevel == "debug")
        #expect(settings.origins["slots"] == .flag("slots"))
        #expect(settings.origins["project"] == .environment("TENSORHUB_PROJECT"))
        #expect(settings.origins["name"] == .file(path: userFile, line: 3))
        #expect(settings.origins["log-level"] == .file(path: systemFile, line: 4))
    }

    @Test func `A file named by --config or TENSORHUB_CONFIG takes the place of both others`() throws {
        let files = [
            systemFile: "slots: 1", userFile: "slots: 2", "/srv/a.yaml": "project: a",
            "/home/ada/here/b.yaml": "project: b",
        ]
        let environment: [ByteString: String] = ["TENSORHUB_CONFIG": "/srv/a.yaml"]
        let named = try Settings(inputs(files: files, environment: environment))
        #expect(named.project == "a" && Array(named.origins.keys) == ["project"])
        let flagged = try Settings(inputs(files: files, environment: environment, config: "b.yaml"))
        #expect(flagged.project == "b" && Array(flagged.origins.keys) == ["project"])
    }

    @Test func `A named file that is missing is an error and an unnamed one is not`() {
        #expect(throws: Never.self) { try Settings(inputs()) }
        let error = #expect(throws: SettingsError.self) { try Settings(inputs(config: "/srv/none.yaml")) }
        #expect(error?.description == "/srv/none.yaml: does not exist; correct --config or create the file")
    }

    @Test func `A file that cannot be read is an error with the system's reason`() {
        var given = inputs()
        given.readFile = { $0 == systemFile ? .unreadable("Permission denied") : .missing }
        let error = #expect(throws: SettingsError.self) { try Settings(given) }
        #expect(error?.description.contains("\(systemFile): cannot be read (Permission denied)") == true)
    }

    @Test func `Lists and labels in the environment and in flags are separated by commas`() throws {
        let environment: [ByteString: String] = [
            "TENSORHUB_TASK_NAMES": "mnist, digits", "TENSORHUB_LABELS": "site=lab,gpu=a100",
            "TENSORHUB_ENVIRONMENT_ALLOW": "WANDB_*,HF_HOME",
        ]
        let settings = try Settings(inputs(environment: environment))
        #expect(settings.taskNames == ["mnist", "digits"])
        #expect(settings.labels == ["site": "lab", "gpu": "a100"])
        #expect(settings.allowedEnvironment == ["WANDB_*", "HF_HOME"])
        let flags: [ByteString: [String]] = ["task-names": ["a,b", "c"], "labels": ["x=1", "y=2=3"]]
        let flagged = try Settings(inputs(environment: environment, flags: flags))
        #expect(flagged.taskNames == ["a", "b", "c"])
        #expect(flagged.labels == ["x": "1", "y": "2=3"])
    }

    @Test func `An empty environment variable counts as none`() throws {
        #expect(try Settings(inputs(environment: ["TENSORHUB_URI": "", "TENSORHUB_SLOTS": ""])).slots == 1)
    }

    @Test func `The allow-list may be written nested or dotted`() throws {
        for text in ["environment:\n  allow: [A, B]", "environment.allow:\n- A\n- B"] {
            #expect(try Settings(inputs(files: [systemFile: text])).allowedEnvironment == ["A", "B"])
        }
    }

    @Test func `The state directory follows systemd, root and XDG in this order`() throws {
        #expect(try Settings(inputs(environment: ["STATE_DIRECTORY": "/var/lib/a:/b"])).stateDirectory == "/var/lib/a")
        #expect(try Settings(inputs(environment: ["XDG_STATE_HOME": "/x"])).stateDirectory == "/x/tensorhub")
        #expect(try Settings(inputs(environment: ["XDG_STATE_HOME": "x"])).stateDirectory.hasPrefix("/home/ada/"))
        var root = inputs()
        root.isRoot = true
        #expect(try Settings(root).stateDirectory == "/var/lib/tensorhub")
        #expect(try Settings(inputs(flags: ["state-directory": ["~/s"]])).stateDirectory == "/home/ada/s")
        #expect(try Settings(inputs(flags: ["state-directory": ["s"]])).stateDirectory == "/home/ada/here/s")
    }

    @Test func `A user without a home folder is told what to set`() {
        var homeless = inputs()
        homeless.homeDirectory = nil
        let error = #expect(throws: SettingsError.self) { try Settings(homeless) }
        #expect(error?.description.contains("set --state-directory") == true)
    }

    @Test(arguments: [
        ("0x1F", BSONValue.int32(31)), ("0o17", .int32(15)), ("007", .int32(7)), ("+5", .int32(5)),
        (".5", .double(0.5)),
        ("5.", .double(5)), ("1e23", .double(1e23)), ("-.inf", .double(-.infinity)), ("1_000", "1_000"), ("0xZ", "0xZ"),
        ("9223372036854775807", .int64(.max)),
    ])
    func `A number of a filter is read as YAML has it`(_ text: String, _ value: BSONValue) throws {
        #expect(try Settings(inputs(files: [systemFile: "filter: {a: \(text)}"])).filter == ["a": value])
    }

    @Test(arguments: ["18446744073709551615", "1e400", "-1e-400", "9007199254740993.0", "0xFFFFFFFFFFFFFFFF"])
    func `A number that would become another one is refused`(_ text: String) {
        for filter in ["{a: \(text)}", "{a: [\(text)]}"] {
            #expect(throws: SettingsError.self) { try Settings(inputs(files: [systemFile: "filter: \(filter)"])) }
        }
    }

    @Test func `A filter may be YAML or Extended JSON, a sort likewise`() throws {
        let text = """
            filter:
              hyper_parameters.lr: {$gt: 0.1}
              kind: {$in: [a, "5", 5, true, null]}
            sort: '{"priority": -1}'
            """
        let settings = try Settings(inputs(files: [systemFile: text]))
        let expected: BSONDocument = [
            "hyper_parameters.lr": ["$gt": 0.1], "kind": ["$in": ["a", "5", 5, true, nil]],
        ]
        #expect(settings.filter == expected)
        #expect(settings.sort == ["priority": -1])
        let environment: [ByteString: String] = ["TENSORHUB_FILTER": #"{"_id": {"$oid": "000000000000000000000001"}}"#]
        #expect(try Settings(inputs(environment: environment)).filter["_id"]?.objectIDValue != nil)
    }
}

@Suite struct ConnectionURITests {
    private let secret = "mongodb://ada:hunter2@db.example/lab"

    @Test func `A connection URI where the path of a file belongs is not repeated`() {
        for text in ["uri-file: '\(secret)'", "uri-file: ada:hunter2@db.example"] {
            #expect(fault(in: text).contains("`uri-file` names a file"), "\(fault(in: text))")
            #expect(!fault(in: text).contains("hunter2"))
        }
    }

    @Test
    func `A URI in a file that every user may read is noticed, unless it holds no password or does not count`() throws {
        func exposing(_ files: [String: String], environment: [ByteString: String] = [:]) throws -> String? {
            var given = inputs(files: files, environment: environment)
            given.isReadableByAll = { $0 == systemFile || $0 == "/etc/tensorhub/uri" }
            return try Settings(given).exposingFile
        }
        #expect(try exposing([systemFile: "uri: \(secret)"]) == systemFile)
        #expect(try exposing([systemFile: "uri-file: uri", "/etc/tensorhub/uri": secret]) == "/etc/tensorhub/uri")
        #expect(try exposing([systemFile: "uri: mongodb://h/?tlsCertificateKeyFilePassword=x"]) == systemFile)
        #expect(try exposing([systemFile: "uri: mongodb://ada@db.example:1/lab"]) == nil)
        #expect(try exposing([systemFile: "slots: 2", userFile: "uri: \(secret)"]) == nil)
        #expect(try exposing([systemFile: "uri: \(secret)"], environment: ["TENSORHUB_URI": secret]) == nil)
    }

    @Test func `The connection URI may stand in a file of its own`() throws {
        let files = [systemFile: "uri-file: uri", "/etc/tensorhub/uri": secret + "\n"]
        #expect(try Settings(inputs(files: files)).uri == secret)
    }

    @Test func `A stronger uri beats a weaker uri-file, which is then not read`() throws {
        let files = [systemFile: "uri-file: /nowhere"]
        #expect(try Settings(inputs(files: files, environment: ["TENSORHUB_URI": secret])).uri == secret)
        let error = #expect(throws: SettingsError.self) { try Settings(inputs(files: files)) }
        #expect(error?.description.contains("/nowhere, which does not exist") == true)
    }

    @Test func `The keys uri and uri-file in one place exclude each other`() {
        #expect(fault(in: "uri: \(secret)\nuri-file: /x").contains("exclude each other"))
    }

    @Test(arguments: [
        "uri: [mongodb://ada:hunter2@db]", "uri: ada:hunter2@db.example", "mongodb://ada:hunter2@db: 1",
        "mongodb://ada:hunter2@db", "slots: mongodb://ada:hunter2@db", "uri: mongodb://ada:hunter2@db\nuri: x",
        "uri: \"mongodb://ada:hunter2@db", "labels: {a: b, mongodb://ada:hunter2@db: 1, c: [1]}",
        "uri: &a mongodb://ada:hunter2@db", "uri=mongodb://ada:hunter2@db: 1", "log-level: mongodb://ada:hunter2@db",
    ])
    func `The connection URI is in no error, however it is miswritten`(_ text: String) {
        let sentence = fault(in: text)
        #expect(!sentence.contains("hunter2") && !sentence.hasPrefix("accepted"), "\(sentence)")
    }

    @Test func `The connection URI is not shown when settings are printed or dumped`() throws {
        let settings = try Settings(inputs(flags: ["uri": [secret]]))
        var dumped = ""
        dump(settings, to: &dumped)
        #expect(!"\(settings) \(String(reflecting: settings)) \(dumped)".contains("hunter2"))
    }
}

@Suite struct MistakeTests {
    @Test(arguments: [
        ("slot: 2", ", line 1: `slot` is not a setting; did you mean `slots`?"),
        ("\n\ntask_names: [a]", ", line 3: `task_names` is not a setting; did you mean `task-names`?"),
        (
            "environment:\n  alow: [A]",
            ", line 2: `environment.alow` is not a setting; did you mean `environment.allow`?"
        ),
        ("zebra: 2", ", line 1: `zebra` is not a setting; the keys are uri, uri-file"),
        ("slots: 1\nslots: 2", ", line 2: `slots` is already set on line 1; remove one of the two"),
        ("environment: {allow: [A]}\nenvironment.allow: [B]", ", line 2: `environment.allow` is already set in"),
        ("slots: many", ", line 1: `slots` expects a whole number from 1 to 10000, but `many` is given"),
        ("slots: 0", ", line 1: `slots` expects a whole number from 1"),
        ("slots: [1]", ", line 1: `slots` expects a single value, but a list is given"),
        ("slots:", ", line 1: `slots` expects a single value, but nothing is given"),
        ("task-names: a", ", line 1: `task-names` expects a list, as in [a, b], but a single value is given"),
        ("task-names: [[a]]", ", line 1: `task-names` expects a list of words"),
        ("labels: [a]", ", line 1: `labels` expects a mapping"),
        ("labels: {a.b: c}", ", line 1: `labels` expects labels whose names"),
        ("lease: 5s", ", line 1: `lease` expects a time from 15s to 1h, written as 90s, 2m or 1h, but `5s` is given"),
        ("lease: 61m", ", line 1: `lease` expects a time from 15s to 1h"),
        ("grace: -1s", ", line 1: `grace` expects a time from 0s to 24h"),
        ("output-limit: 64M", ", line 1: `output-limit` expects a size from 64KiB to 1024GiB, written as 64MiB"),
        ("log-level: loud", ", line 1: `log-level` expects one of trace, debug"),
        ("environment.allow: [1A]", ", line 1: `environment.allow` expects names of environment variables"),
        ("filter: '{\"a\": '", ", line 1: `filter` is not an Extended JSON object"),
        ("filter: 5", ", line 1: `filter` is not an Extended JSON object"),
        ("sort: {time: up}", ", line 1: `sort` gives `time` neither 1 (ascending) nor -1 (descending)"),
        ("- a\n- b", ", line 1: expected lines of `key: value`"),
        ("slots: 1\n\tproject: x", ", line 2: "),
        ("a: &x 1\nb: *x", "anchors (&), aliases (*) and tags (!) are not read"),
        ("slots: !!int 3", "anchors (&), aliases (*) and tags (!) are not read"),
        ("slots: 1\n---\nslots: 2", "a second document starts here"),
        ("? [a]\n: b", ", line 1: a key must be a word"),
    ])
    func `Mistakes in a file get one sentence with the line, the key and the fix`(_ text: String, _ expected: String) {
        let sentence = fault(in: text)
        #expect(sentence.contains(expected) && sentence.hasPrefix(systemFile), "\(sentence)")
    }

    @Test func `Mistakes are told even where a stronger place overrides the value`() {
        let given = inputs(files: [systemFile: "slots: none"], flags: ["slots": ["2"]])
        #expect(throws: SettingsError.self) { try Settings(given) }
    }

    @Test func `Bytes that are not text, and endless nesting, are errors`() {
        for bytes: [UInt8] in [
            [0xFF, 0xFE, 0x00, 0xD8], [0x61, 0x3A, 0x20, 0x80], [0x61, 0x00], Array("\u{1}".utf8),
        ] {
            var given = inputs()
            given.readFile = { $0 == systemFile ? .content(bytes) : .missing }
            #expect(throws: SettingsError.self) { try Settings(given) }
        }
        #expect(fault(in: "filter: " + String(repeating: "[", count: 5000)).contains("levels deep"))
    }

    @Test func `Mistakes in a flag or a variable name that flag or variable`() {
        let flag = #expect(throws: SettingsError.self) { try Settings(inputs(flags: ["lease": ["1s"]])) }
        #expect(flag?.description.hasPrefix("flag --lease: `lease` expects a time") == true)
        let variable = #expect(throws: SettingsError.self) {
            try Settings(inputs(environment: ["TENSORHUB_LOG_LEVEL": "x"]))
        }
        #expect(variable?.description.hasPrefix("environment variable TENSORHUB_LOG_LEVEL: ") == true)
    }

    @Test func `An empty file, or one of comments, gives the defaults`() throws {
        for text in ["", "\n\n", "# nothing\n", "---\n", "{}"] {
            let sentence = fault(in: text)
            #expect(sentence.hasPrefix("accepted"), "\(sentence)")
        }
    }
}
