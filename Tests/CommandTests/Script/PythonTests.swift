import Glibc
import TestSupport
import Testing

/// The tests of the Python client, `python/tests`, against the programs of this build and a real MongoDB. Once with the
/// Python that has NumPy, once with the system's own.
@Suite struct PythonTests {
    static let needNoServer = [
        "test_package", "test_build", "test_values", "test_arrays", "test_frames", "test_types", "test_integrations",
        "test_display", "test_unused",
    ]
    static let needServer = [
        "test_reporter", "test_hub", "test_tasks", "test_watching", "test_attempt", "test_remote", "test_tensorlayer",
        "test_random",
    ]

    @Test(arguments: needNoServer)
    func `The system's Python passes`(file: String) async throws {
        try await withCommands { try await pass(file, python: "/usr/bin/python3", $0) }
    }

    @Test(arguments: needNoServer + needServer)
    func `The Python with NumPy passes`(file: String) async throws {
        try await withCommands { try await pass(file, python: try pythonInPath(), $0) }
    }

    @Test func `Every file of tests is run`() throws {
        var found = glob_t()
        defer { globfree(&found) }
        #expect(glob("\(tests)/test_*.py", 0, nil, &found) == 0)
        let names = (0..<Int(found.gl_pathc)).compactMap { index in
            found.gl_pathv[index].flatMap { String(cString: $0).split(separator: "/").last?.dropLast(3) }
        }
        #expect(names.map(String.init).sorted() == (Self.needNoServer + Self.needServer).sorted())
    }

    private func pass(_ file: String, python: String, _ fixture: CommandFixture) async throws {
        try #require(access(python, X_OK) == 0, "there is no \(python)")
        var fixture = fixture
        fixture.environment["TENSORHUB_EXECUTABLE"] = "\(Program.folder)/tensorhub"
        fixture.environment["TENSORHUB_PROJECT"] = nil
        fixture.environment["PYTHONDONTWRITEBYTECODE"] = "1"
        fixture.environment["PYTHONPATH"] = tests
        for name in ["TENSORHUB_PROPERTY_COUNT", "TENSORHUB_PROPERTY_SEED"] {
            fixture.environment[name] = getenv(name).map { String(cString: $0) }
        }
        let program = try Program.start(python, ["-m", "unittest", "-v", file], environment: fixture.environment)
        program.send("")
        // A file has many tests, and a busy machine decides none of them.
        let isOver = await eventually(within: .seconds(300)) { program.status != nil }
        if !isOver { program.signal(SIGKILL) }
        #expect(program.status == 0, "\(program.output)\(program.errors)")
        #expect(program.errors.contains("\nOK"), "\(program.errors)")
    }

    private var tests: String { packageRoot + "/python/tests" }

    private func pythonInPath() throws -> String {
        let folders = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin"
        let candidates = folders.split(separator: ":").map { "\($0)/python3" }
        return try #require(candidates.first { access($0, X_OK) == 0 }, "there is no python3 in PATH")
    }
}
