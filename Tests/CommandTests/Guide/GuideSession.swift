import Glibc
import TestSupport
import Testing

/// A shell that reads a page's commands from a pipe, one after another. What a command starts in its place, such as
/// `tensorhub dev -- bash`, reads the rest, as it would at a terminal.
struct GuideSession {
    private let shell: Program
    private var read = ""
    private var count = 0

    /// - Parameter fixture: Its folder is the home folder.
    init(_ fixture: CommandFixture) throws {
        var environment = fixture.environment
        let setup = try fixture.file("trap.sh", #"trap 'printf "\n@failed %s: %s\n" "$?" "$BASH_COMMAND"' ERR"# + "\n")
        environment["BASH_ENV"] = setup
        environment["PATH"] = "\(Program.folder):\(environment["PATH"] ?? "/usr/bin:/bin")"
        environment["PYTHONPATH"] = "\(packageRoot)/python"
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        // What `pip` installs is here already.
        environment["PIP_NO_INDEX"] = "1"
        environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
        environment["PIP_NO_CACHE_DIR"] = "1"
        environment["PIP_FIND_LINKS"] = getenv("TENSORHUB_WHEELS").map { String(cString: $0) }
        for name in ["TENSORHUB_URI", "TENSORHUB_PROJECT"] { environment[name] = nil }
        shell = try Program.start(
            "/bin/bash",
            ["-c", "cd && mkdir work && cd work && exec /bin/bash 2>&1"],
            environment: environment
        )
    }

    /// What the shell said between the commands and their end.
    mutating func say(_ commands: String) async throws -> [String] {
        count += 1
        let end = "@end \(count)"
        shell.write("\(commands)\nprintf '\\n%s\\n' '\(end)'\n")
        let shell = shell
        let isDone = await eventually(within: .seconds(180)) {
            shell.output.contains("\n\(end)\n") || shell.status != nil
        }
        let output = shell.output
        guard isDone, let range = output.firstRange(of: "\n\(end)\n") else {
            throw ProgramFailure(message: "'\(commands)' does not come to its end: \(output.dropFirst(read.count))")
        }
        let said = output[..<range.lowerBound].dropFirst(read.count)
        read = String(output[..<range.upperBound])
        return said.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// Ends every shell, the innermost first.
    func end(_ fixture: CommandFixture) async throws {
        shell.send("")
        _ = try await fixture.end(of: shell)
    }

    func kill() { shell.signal(SIGKILL) }
}
