import ArgumentParser
import Console
import LocalMongo
import UnixSignals

@main
struct TensorhubBench: AsyncParsableCommand, HandlesSignals {
    static let configuration = CommandConfiguration(
        commandName: "tensorhub-bench",
        abstract: "Measure this machine: tasks per second, latency, memory.",
        discussion: """
            Runs tensorhubd, which lies beside this program, in a database of its own that is dropped afterwards, on a
            private MongoDB unless --uri names one. With --floor every round of ours is followed by one of a small C
            program that does the same work (Benchmarks/README.md), and the ratio of both medians is what counts: figures
            of a shared machine move, their ratio much less.

            \(BenchScenario.allCases.map { "  \($0.rawValue): \($0.summary)" }.joined(separator: "\n"))

            Examples:
              tensorhub-bench throughput --rounds 3
              tensorhub-bench --floor .build/floor/floor --preload --json
            """
    )

    @Argument(help: "What to measure; everything unless given.")
    var scenarios: [BenchScenario] = []

    @Option(help: "A MongoDB that does nothing else meanwhile; a private one unless given.")
    var uri: String?

    @Option(help: "The C program to compare with; stamp lies beside it.", completion: .file())
    var floor: String?

    @Option(
        help: ArgumentHelp(
            "The folder of another build's tensorhubd and tensorhub-supervisor: compares what a task costs in both.",
            discussion: "At least nine rounds. Costs may be 3 % higher; speed must lie within the spread of one build."
        ),
        completion: .directory
    )
    var against: String?

    @Option(help: "How often each measurement is made, ours and the other in turn.")
    var rounds: Int?

    @Option(help: "How many tasks a round of throughput, output and crowd has.")
    var tasks = 2000

    @Option(
        help:
            "How many GiB pass through for a measurement of memory with blobs: some minutes and as much disk; 10, say."
    )
    var blobMemory = 0

    @Flag(help: "Measure everything a second time among 600,000 other tasks: finished, waiting, and of another name.")
    var preload = false

    @Flag(help: "Write a document for each measurement instead of a table.")
    var json = false

    /// Fewer say nothing of a spread.
    private static let comparedRounds = 9

    func validate() throws {
        if let rounds, rounds < 1 { throw ValidationError("--rounds is \(rounds); it must be at least 1") }
        if let rounds, against != nil, rounds < Self.comparedRounds {
            throw ValidationError("--rounds is \(rounds); a comparison needs at least \(Self.comparedRounds)")
        }
        if against != nil, preload || !scenarios.isEmpty {
            throw ValidationError("--against measures always the same; leave --preload and names of measurements out")
        }
        if blobMemory < 0 { throw ValidationError("--blob-memory is \(blobMemory); it must be at least 0") }
        if tasks < 1 { throw ValidationError("--tasks is \(tasks); it must be at least 1") }
    }

    static func main() async { await CommandFrame.run(Self.self) }

    func run() async throws {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
        try await withThrowingTaskGroup(of: Int32.self) { group in
            group.addTask {
                try await measure()
                return ExitStatus.done
            }
            group.addTask {
                for await _ in signals { return ExitStatus.interrupted }
                return ExitStatus.done
            }
            // What runs is taken down, and the database dropped, before this returns.
            let status = try await group.next() ?? ExitStatus.done
            group.cancelAll()
            while (try? await group.next()) != nil {}
            if status != ExitStatus.done { throw ExitCode(status) }
        }
    }

    private func measure() async throws {
        let folder = try BenchFolder()
        let result = await Result { () async throws -> Void in
            if let uri { return try await measure(uri: uri, folder) }
            StandardError.line("tensorhub-bench: starting a private MongoDB")
            // What is measured fits into its memory, so that not the disk is measured.
            let server = try await LocalMongoServer.start(dataDirectory: folder.path + "/mongodb", cacheSize: 4)
            let result = await Result { () async throws -> Void in try await measure(uri: server.uri, folder) }
            await server.stop()
            try result.get()
        }
        var hasFailed = false
        if case .failure(let error) = result { hasFailed = !(error is CancellationError) }
        await folder.remove(keepingLogs: hasFailed)
        try result.get()
    }

    private func measure(uri: String, _ folder: BenchFolder) async throws {
        let site = try await BenchSite.open(uri: uri, folder: folder, floor: floor, other: against)
        let result = await Result { () async throws -> [BenchMeasurement] in
            if against != nil {
                return try await BenchComparison(
                    site: site,
                    rounds: rounds ?? Self.comparedRounds,
                    tasks: tasks
                ).measure()
            }
            let bench = BenchRounds(site: site, rounds: rounds ?? 5, tasks: tasks, blobMemory: blobMemory)
            let chosen = BenchScenario.allCases.filter { scenarios.isEmpty || scenarios.contains($0) }
            var measurements = try await bench.measure(chosen, otherTasks: 0)
            if preload {
                let count = try await site.preload()
                measurements += try await bench.measure(chosen, otherTasks: count)
            }
            return measurements
        }
        await site.close()
        let measurements = try result.get()
        if json {
            StandardOutput.write(measurements.map(\.document).jsonLines)
        } else {
            StandardOutput.write(BenchMeasurement.table(measurements).text(width: nil))
        }
    }
}
