import BSON
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

@Suite struct ServeTests {
    /// A running `tensorhub serve` in the folder.
    private func start(_ folder: String, _ database: String, _ arguments: [String]) async throws -> Program {
        var environment = [
            "TENSORHUB_STATE_DIRECTORY": "\(folder)/state", "HOME": folder, "TENSORHUB_CONFIG": "/dev/null",
        ]
        environment["TENSORHUB_URI"] = try await TestMongo.uri(database: database)
        environment["PATH"] = getenv("PATH").map { String(cString: $0) }
        return try Program.start("tensorhub", ["serve"] + arguments, environment: environment)
    }

    private func ready(_ program: Program) async throws -> BSONDocument {
        #expect(await eventually { program.output.contains("\n") || program.status != nil })
        return try BSONDocument(extendedJSON: program.output)
    }

    private func python(_ script: String, _ arguments: [String]) async throws -> String {
        let path = getenv("PATH").map { String(cString: $0) } ?? ""
        let program = try Program.start(
            "/usr/bin/env",
            ["python3", "-c", script] + arguments,
            environment: ["PATH": path]
        )
        program.send("")
        #expect(await eventually { program.status != nil })
        #expect(program.status == 0, "\(program.errors)")
        return program.output
    }

    @Test func `A private server answers Python's HTTP client and ends when its standard input closes`() async throws {
        try await withTestDatabase { _, database in
            try await withTemporaryDirectory { folder in
                let server = try await start(folder, database, ["--socket", "\(folder)/s", "--until-stdin-closes"])
                #expect(try await ready(server) == ["socket": .string("\(folder)/s")])
                let output = try await python(
                    """
                    import http.client, json, socket, sys
                    class Unix(http.client.HTTPConnection):
                        def connect(self):
                            self.sock = socket.socket(socket.AF_UNIX); self.sock.connect(sys.argv[1])
                    c = Unix("hub")
                    def call(method, path, body=None, headers={}, **more):
                        c.request(method, path, body, headers, **more); r = c.getresponse(); return r.status, r.read()
                    data = bytes(range(256)) * 5000
                    print(call("POST", "/v1/logs/training", json.dumps({"loss": float("nan")}))[0])
                    print(call("PUT", "/v1/datasets/x", data)[0])
                    def pieces():
                        for start in range(0, len(data), 100000): yield data[start:start + 100000]
                    print(call("POST", "/v1/uploads", pieces(), {"Transfer-Encoding": "chunked"}, encode_chunked=True)[0])
                    print(json.loads(call("GET", "/v1/datasets/x?fetch=false", None, {"Accept": "application/json"})[1])["files"][0]["size"])
                    print(len(json.loads(call("GET", "/v1/logs/training")[1])))
                    """,
                    ["\(folder)/s"]
                )
                #expect(output == "202\n201\n201\n1280000\n1\n")
                server.send("")
                #expect(await eventually { server.status == 0 })
                #expect(server.errors == "")
                #expect(entries("\(folder)/state/serve") == ["lock"])
                #expect(!entries(folder).contains("s"))
            }
        }
    }

    @Test func `A private server ends with a parent that is killed, though a child of that holds its input open`()
        async throws
    {
        try await withTestDatabase { _, database in
            try await withTemporaryDirectory { folder in
                let uri = try await TestMongo.uri(database: database)
                let parent = try Program.start(
                    "/usr/bin/env",
                    [
                        "python3", "-c",
                        """
                        import os, subprocess, sys, time
                        p = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
                        open(\("\(folder)/pid".debugDescription), "w").write(str(p.pid))
                        if os.fork() == 0:
                            os.close(1); os.close(2); time.sleep(60); os._exit(0)
                        open(\("\(folder)/child".debugDescription), "w").write("there")
                        time.sleep(60)
                        """,
                        "\(Program.folder)/tensorhub", "serve", "--socket", "\(folder)/s", "--until-stdin-closes",
                    ],
                    environment: [
                        "PATH": getenv("PATH").map { String(cString: $0) } ?? "", "TENSORHUB_URI": uri, "HOME": folder,
                        "TENSORHUB_STATE_DIRECTORY": "\(folder)/state", "TENSORHUB_CONFIG": "/dev/null",
                    ]
                )
                #expect(await eventually { parent.output.contains("socket") && entries(folder).contains("child") })
                parent.signal(SIGKILL)
                #expect(await eventually { !entries(folder).contains("s") })
                #expect(await eventually { entries("\(folder)/state/serve") == ["lock"] })
            }
        }
    }

    @Test func `Over TCP the token of a file that only its user reads opens the server`() async throws {
        try await withTestDatabase { _, database in
            try await withTemporaryDirectory { folder in
                let token = "\(folder)/token"
                let server = try await start(folder, database, ["--listen", "127.0.0.1:0", "--token-file", token])
                let url = try #require(try await ready(server)["url"]?.stringValue)
                var status = stat()
                #expect(stat(token, &status) == 0)
                #expect(status.st_mode & 0o777 == 0o600)
                let script = """
                    import sys, urllib.error, urllib.request
                    for token in ("", "Bearer wrong", "Bearer " + open(sys.argv[2]).read().strip()):
                        request = urllib.request.Request(sys.argv[1] + "/v1/health", headers={"Authorization": token} if token else {})
                        try: print(urllib.request.urlopen(request).status)
                        except urllib.error.HTTPError as error: print(error.code)
                    """
                #expect(try await python(script, [url, token]) == "401\n401\n200\n")
                server.signal(SIGTERM)
                #expect(await eventually { server.status == 0 })
                chmod(token, 0o644)
                let open = try await start(folder, database, ["--listen", "127.0.0.1:0", "--token-file", token])
                #expect(await eventually { open.status == 2 })
                #expect(open.errors.contains("0600"))
            }
        }
    }

    @Test func `With a certificate it speaks TLS`() async throws {
        try await withTestDatabase { _, database in
            try await withTemporaryDirectory { folder in
                let made = try Program.start(
                    "/usr/bin/openssl",
                    [
                        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "\(folder)/key", "-out",
                        "\(folder)/certificate",
                    ],
                    environment: [:]
                )
                made.send("")
                #expect(await eventually { made.status == 0 })
                let arguments = ["--tls-certificate", "\(folder)/certificate", "--tls-key", "\(folder)/key"]
                let server = try await start(folder, database, ["--listen", "127.0.0.1:0"] + arguments)
                let facts = try await ready(server)
                let url = try #require(facts["url"]?.stringValue)
                #expect(url.hasPrefix("https://127.0.0.1:"))
                let script = """
                    import ssl, sys, urllib.request
                    context = ssl.create_default_context(cafile=sys.argv[3])
                    token = "Bearer " + open(sys.argv[2]).read().strip()
                    request = urllib.request.Request(sys.argv[1] + "/v1/datasets/x", b"123", {"Authorization": token}, method="PUT")
                    print(urllib.request.urlopen(request, context=context).status)
                    request = urllib.request.Request(sys.argv[1] + "/v1/datasets/x", headers={"Authorization": token})
                    print(urllib.request.urlopen(request, context=context).read())
                    """
                let token = try #require(facts["token_file"]?.stringValue)
                #expect(try await python(script, [url, token, "\(folder)/certificate"]) == "201\nb'123'\n")
                server.signal(SIGINT)
                #expect(await eventually { server.status == 0 })
            }
        }
    }

    @Test(arguments: [
        ([], "--socket"), (["--socket", "a", "--listen", "127.0.0.1:0"], "--socket"),
        (["--listen", "0.0.0.0:0"], "--tls-certificate"), (["--listen", "127.0.0.1"], "127.0.0.1:8321"),
        (["--listen", "localhost:99999"], "--listen"), (["--listen", "127.0.0.1:0", "--tls-key", "k"], "together"),
        (["--listen", "127.0.0.1:0", "--tls-certificate", "/nothing", "--tls-key", "/nothing"], "/nothing"),
        (["--socket", "/nothing/s"], "/nothing/s"),
    ])
    func `What cannot be served is refused with status 2 and a sentence`(arguments: [String], word: String) async throws
    {
        try await withTestDatabase { _, database in
            try await withTemporaryDirectory { folder in
                let server = try await start(folder, database, arguments)
                #expect(await eventually { server.status != nil })
                #expect(server.status == 2)
                #expect(server.errors.contains(word), "\(server.errors)")
            }
        }
    }

    @Test func `Neither a file nor the socket of a living server is replaced, but that of a dead one is`() async throws
    {
        try await withTestDatabase { _, database in
            try await withTemporaryDirectory { folder in
                let path = "\(folder)/s"
                guard let file = fopen(path, "w") else { throw ProgramFailure(message: path) }
                fclose(file)
                func refusal() async throws -> String {
                    let second = try await start(folder, database, ["--socket", path])
                    #expect(await eventually(within: .seconds(30)) { second.status != nil })
                    #expect(second.status == 2)
                    return second.errors
                }
                #expect(try await refusal().contains("no socket"))
                unlink(path)
                let server = try await start(folder, database, ["--socket", path])
                _ = try await ready(server)
                #expect(try await refusal().contains("another server listens"))
                server.signal(SIGKILL)
                #expect(await eventually { server.status != nil })
                #expect(access(path, F_OK) == 0)
                let next = try await start(folder, database, ["--socket", path])
                _ = try await ready(next)
                next.signal(SIGTERM)
                #expect(await eventually { next.status == 0 })
                #expect(access(path, F_OK) != 0)
            }
        }
    }

    @Test func `A port that is taken is told with what to do`() async throws {
        try await withTestDatabase { _, database in
            try await withTemporaryDirectory { folder in
                let server = try await start(folder, database, ["--listen", "127.0.0.1:0"])
                let port = try await ready(server)["url"]?.stringValue?.split(separator: ":").last ?? ""
                let second = try await start(folder, database, ["--listen", "127.0.0.1:\(port)"])
                #expect(await eventually { second.status != nil })
                #expect(second.status == 2 && second.errors.contains("another program listens on"), "\(second.errors)")
                server.signal(SIGTERM)
                #expect(await eventually { server.status == 0 })
            }
        }
    }

    @Test func `Two processes on one cache that are asked for the same data set at once download it once`() async throws
    {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let bytes = noise(20_000_000)
                try await hub.saveDataSet(.bytes(bytes, as: "data"), name: "x")
                let servers = [
                    try await start(folder, hub.database.name, ["--socket", "\(folder)/a"]),
                    try await start(folder, hub.database.name, ["--socket", "\(folder)/b"]),
                ]
                for server in servers { _ = try await ready(server) }
                try await hub.database.runCommand(["profile": 2])
                let output = try await python(
                    """
                    import http.client, json, socket, sys, threading
                    class Unix(http.client.HTTPConnection):
                        def connect(self):
                            self.sock = socket.socket(socket.AF_UNIX); self.sock.connect(self.host)
                    together = threading.Barrier(8)
                    paths = []
                    def fetch(path):
                        c = Unix(path); c.connect(); together.wait()
                        c.request("GET", "/v1/datasets/x", None, {"Accept": "application/json"})
                        paths.append(json.loads(c.getresponse().read())["files"][0]["local"])
                    threads = [threading.Thread(target=fetch, args=[path]) for path in sys.argv[1:] * 4]
                    for thread in threads: thread.start()
                    for thread in threads: thread.join()
                    print("\\n".join(paths))
                    """,
                    ["\(folder)/a", "\(folder)/b"]
                )
                try await hub.database.runCommand(["profile": 0])
                let paths = output.split(separator: "\n").map(String.init)
                #expect(paths.count == 8)
                for path in Set(paths) { #expect(try readFile(path) == bytes) }
                let queries = hub.database.collection("system.profile")
                // 77 chunks, 4 a message.
                #expect(try await queries.countDocuments(["command.find": "datasetFilesystem.chunks"]) == 20)
                #expect(entries("\(folder)/state/cache/blobs").count == 1)
                for server in servers { server.signal(SIGTERM) }
                #expect(await eventually { servers.allSatisfy { $0.status == 0 } })
            }
        }
    }
}
