import BSON
import Glibc
import TestSupport
import Testing

/// Files of certificates that are not what they should be are told with their names, and before anything is connected.
@Suite struct CertificateTests {
    /// Two pairs, and files that are none.
    private func withFiles(_ body: (CommandFixture, _ folder: String) async throws -> Void) async throws {
        try await withCommands { fixture in
            try await withTemporaryDirectory { folder in
                for name in ["own", "other"] {
                    let made = try Program.start(
                        "/usr/bin/openssl",
                        [
                            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=\(name)",
                            "-keyout", "\(folder)/\(name).key", "-out", "\(folder)/\(name).pem",
                        ],
                        environment: [:]
                    )
                    made.send("")
                    #expect(await eventually { made.status == 0 })
                }
                let certificate = try readFile("\(folder)/own.pem")
                let key = try readFile("\(folder)/own.key")
                try write(certificate + key, "\(folder)/pair.pem")
                try write(certificate + (try readFile("\(folder)/other.key")), "\(folder)/mixed.pem")
                try write([], "\(folder)/empty.pem")
                try write(Array("no certificate\n".utf8), "\(folder)/text.pem")
                var broken = certificate
                broken[broken.count / 2] = UInt8(ascii: "!")
                try write(broken, "\(folder)/broken.pem")
                try write(certificate + broken, "\(folder)/second-broken.pem")
                try write(Array(certificate.prefix(certificate.count / 2)), "\(folder)/cut.pem")
                try await body(fixture, folder)
            }
        }
    }

    private func write(_ bytes: [UInt8], _ path: String) throws {
        try writeFile(path, String(decoding: bytes, as: UTF8.self))
    }

    @Test func `A CA file of the connection string that is no such file is named at once, by every program`()
        async throws
    {
        try await withFiles { fixture, folder in
            for name in [
                "nothing", "empty.pem", "text.pem", "broken.pem", "second-broken.pem", "cut.pem", "own.key", "",
            ] {
                let path = "\(folder)/\(name)"
                let uri = "mongodb://127.0.0.1:1/db?tls=true&tlsCAFile=\(path)"
                var fixture = fixture
                fixture.environment["TENSORHUB_URI"] = uri
                for program in ["tensorhub", "tensorhubd"] {
                    let arguments = program == "tensorhub" ? ["ls"] : ["--once"]
                    let result = try await fixture.run(program, arguments)
                    #expect(result.status == 2, "\(program) \(name): \(result.errors)")
                    #expect(result.errors.contains("tlsCAFile: \(path)"), "\(program) \(name): \(result.errors)")
                }
            }
            for name in ["nothing", "text.pem", "own.pem", "own.key", "mixed.pem"] {
                let path = "\(folder)/\(name)"
                let uri = "mongodb://127.0.0.1:1/db?tls=true&tlsCertificateKeyFile=\(path)"
                let result = try await fixture.run("ls", "--uri", uri)
                #expect(result.status == 2, "\(name): \(result.errors)")
                #expect(result.errors.contains("tlsCertificateKeyFile: \(path)"), "\(name): \(result.errors)")
            }
            // What is right goes on to the connection.
            let right = "tlsCAFile=\(folder)/own.pem&tlsCertificateKeyFile=\(folder)/pair.pem"
            let result = try await fixture.run("ls", "--uri", "mongodb://127.0.0.1:1/db?tls=true&\(right)")
            #expect(result.status == 69, "\(result.errors)")
        }
    }

    @Test func `A server names the file at fault, speaks no old TLS, and closes connections that begin none`()
        async throws
    {
        try await withFiles { fixture, folder in
            func refusal(_ certificate: String, _ key: String) async throws -> ProgramResult {
                try await fixture.run(
                    "serve",
                    "--listen",
                    "127.0.0.1:0",
                    "--tls-certificate",
                    "\(folder)/\(certificate)",
                    "--tls-key",
                    "\(folder)/\(key)"
                )
            }
            for name in ["nothing", "empty.pem", "text.pem", "broken.pem", "cut.pem"] {
                let certificate = try await refusal(name, "own.key")
                #expect(certificate.status == 2 && certificate.errors.contains("\(folder)/\(name)"), "\(certificate)")
                let key = try await refusal("own.pem", name)
                #expect(key.status == 2 && key.errors.contains("\(folder)/\(name)"), "\(key)")
            }
            let mixed = try await refusal("own.pem", "other.key")
            #expect(mixed.status == 2 && mixed.errors.contains("does not belong"), "\(mixed)")

            let server = try Program.start(
                "tensorhub",
                [
                    "serve", "--listen", "127.0.0.1:0", "--token-file", "\(folder)/token", "--tls-certificate",
                    "\(folder)/own.pem", "--tls-key", "\(folder)/own.key",
                ],
                environment: fixture.environment
            )
            #expect(await eventually { server.output.contains("\n") || server.status != nil })
            let url = try #require(try BSONDocument(extendedJSON: server.output)["url"]?.stringValue)
            let port = url.split(separator: ":").last.map(String.init) ?? ""
            let script = """
                import socket, ssl, sys, time, warnings
                warnings.simplefilter("ignore")
                def shake(low, high):
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                    context.check_hostname = False
                    context.verify_mode = ssl.CERT_NONE
                    context.set_ciphers("ALL:@SECLEVEL=0")
                    context.minimum_version, context.maximum_version = low, high
                    try:
                        with context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1])))) as s:
                            return s.version()
                    except (ssl.SSLError, ConnectionError) as error:
                        return "refused"
                V = ssl.TLSVersion
                print(shake(V.TLSv1, V.TLSv1_1), shake(V.TLSv1_2, V.TLSv1_2), shake(V.TLSv1_3, V.TLSv1_3))
                silent = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=40)
                start = time.monotonic()
                end = silent.recv(1)
                print(end, 5 < time.monotonic() - start < 35)
                """
            let python = try Program.start(
                "/usr/bin/env",
                ["python3", "-c", script, port],
                environment: ["PATH": getenv("PATH").map { String(cString: $0) } ?? ""]
            )
            python.send("")
            #expect(await eventually(within: .seconds(60)) { python.status != nil })
            #expect(python.output == "refused TLSv1.2 TLSv1.3\nb'' True\n", "\(python.output) \(python.errors)")
            server.signal(SIGTERM)
            #expect(await eventually { server.status == 0 })
        }
    }
}
