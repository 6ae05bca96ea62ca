import Glibc
import TestSupport
import Testing

/// The tests of the Python client, `python/tests`, against the programs of this build and a real MongoDB. Once with the
/// Python that has NumPy, once with the system's own.
@Suite struct PythonTests {
    static let needNoServer = ["test_package", "test_values", "test_arrays"]

    @Test(arguments: needNoServer)
    func theSystemsPythonPasses(file: String) async throws {
        try await withCommands { try await pass(file, python: "/usr/bin/python3", $0) }
    }

    @Test(arguments: needNoServer)
    func thePythonWithNumPyPasses(file: String) async throws {
        try await withCommands { try await pass(file, python: try pythonInPath(), $0) }
    }

    private func pass(_ file: String, python: String, _ fixture: CommandFixture) async throws {
        guard access(python, X_OK) == 0 else { return }
        var fixture = fixture
        fixture.environment["TENSORHUB_EXECUTABLE"] = "\(Program.folder)/tensorhub"
        fixture.environment["TENSORHUB_PROJECT"] = nil
        fixture.environment["PYTHONDONTWRITEBYTECODE"] = "1"
        fixture.environment["PYTHONPATH"] = tests
        let result = try await fixture.run(python, ["-W", "error::ResourceWarning", "-m", "unittest", "-v", file])
        #expect(result.status == 0, "\(result.output)\(result.errors)")
        #expect(result.errors.contains("OK"), "\(result.errors)")
    }

    private var tests: String {
        let up = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        return "/\(up)/python/tests"
    }

    private func pythonInPath() throws -> String {
        let folders = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin"
        let candidates = folders.split(separator: ":").map { "\($0)/python3" }
        return try #require(candidates.first { access($0, X_OK) == 0 }, "there is no python3 in PATH")
    }
}
