import ArgumentParser
import BSON
import Console
import TensorHub

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show how the project stands: counts, what runs, what failed and why, runners.",
        discussion: """
            Failures of the last day are put together by the last line that their scripts
            printed. The number before each is that of the latest; `tensorhub show` has more.

            Examples:
              tensorhub status
              tensorhub status --json
            """
    )

    @Flag(help: "Show it again every two seconds, until Ctrl-C.")
    var watch = false

    @OptionGroup var ids: IDOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    private static let pause: Duration = .seconds(2)

    func run() async throws {
        if watch && output.json { throw CommandFailure.badInput("--watch and --json exclude each other; give one") }
        let hub = try await connection.hub()
        var outage = Outage()
        repeat {
            do {
                try await show(hub)
                outage.end()
            } catch  where watch && CommandFailure.isTransient(error) {
                outage.begin(error)
            }
            if watch { try await Task.sleep(for: Self.pause) }
        } while watch
    }

    private func show(_ hub: Hub) async throws {
        let report = StatusReport(try await hub.overview(), ids, project: hub.project)
        if watch && StandardOutput.isTerminal { StandardOutput.write("\u{1B}[H\u{1B}[2J") }
        output.show(report.document, or: report.text(width: StandardOutput.width))
    }
}
