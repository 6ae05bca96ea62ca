import BSON
import Console
import Files
import Glibc
import MongoDriver
import TensorHub

/// A temporary folder of `tensorhub-bench`.
struct BenchFolder: Sendable {
    let path: String

    init() throws(CommandFailure) {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        do throws(FileError) { path = try LocalFolder.makeUnique("\(parent)/tensorhub-bench-") } catch {
            throw .failure("cannot make a folder in \(parent): \(error.reason)")
        }
    }

    /// - Parameter keepingLogs: Leaves what the runners wrote, for somebody to see what went wrong.
    func remove(keepingLogs: Bool) async {
        let targets = keepingLogs ? [path + "/mongodb"] : [path]
        let removal = try? ChildProcess.start(["rm", "-rf", "--"] + targets, environment: ["PATH": "/usr/bin:/bin"])
        _ = await removal?.wait()
    }
}

/// Where the benchmarks run: a database of their own, a folder, and the programs.
struct BenchSite: Sendable {
    let hub: Hub
    /// Names the database.
    let uri: String
    let folder: BenchFolder
    let build: BenchBuild
    /// What ours is compared with.
    let other: BenchBuild?
    let floor: String?
    /// The script of the dispatch measurement.
    let stamp: String?

    static let project = "bench"

    /// - Parameters:
    ///   - floor: The C program.
    ///   - other: The folder of another build's programs.
    static func open(
        uri: String,
        folder: BenchFolder,
        floor: String?,
        other: String? = nil
    ) async throws -> BenchSite {
        guard let programs = ChildProcess.executableFolder else {
            throw CommandFailure.failure("cannot find out where this program lies")
        }
        let floor = try floor.map { try BenchBuild.program($0, "--floor") }
        let stamp = floor.map { String($0.prefix(through: $0.lastIndex(of: "/") ?? $0.startIndex)) + "stamp" }
        let site = BenchSite(
            hub: try await Hub.connect(uri: address(uri, database: "tensorhub_bench_\(getpid())"), project: project),
            uri: address(uri, database: "tensorhub_bench_\(getpid())"),
            folder: folder,
            build: try BenchBuild(folder: programs, role: "bench"),
            other: try other.map { try BenchBuild(folder: $0, role: "--against") },
            floor: floor,
            stamp: try stamp.map { try BenchBuild.program($0, "--floor") }
        )
        try TextFile.write("", to: site.configuration)
        return site
    }

    /// Drops the database.
    func close() async {
        try? await hub.database.drop()
        await hub.close()
    }

    /// An empty file, so that no configuration of this machine has a say.
    var configuration: String { folder.path + "/config.yaml" }

    /// The connection string with another database in its path. Who is authenticated against the old one still is.
    static func address(_ uri: String, database: String) -> String {
        guard let scheme = uri.range(of: "://") else { return uri }
        let rest = uri[scheme.upperBound...]
        let hosts = rest.prefix { $0 != "/" && $0 != "?" }
        let options = rest.firstIndex(of: "?").map { String(rest[$0...].dropFirst()) } ?? ""
        let old = rest.dropFirst(hosts.count).prefix { $0 != "?" }.dropFirst()
        var parts = options.isEmpty ? [] : [options]
        if hosts.contains("@"), !options.contains("authSource=") {
            parts.append("authSource=\(old.isEmpty ? "admin" : old)")
        }
        return uri[..<scheme.upperBound] + hosts + "/" + database
            + (parts.isEmpty ? "" : "?" + parts.joined(separator: "&"))
    }

    // MARK: Tasks

    func specs(_ count: Int, name: String, script: String) -> [TaskSpec] {
        [TaskSpec](repeating: TaskSpec(name: name, script: Array(script.utf8)), count: count)
    }

    /// Waits until none of that name is pending or running.
    func waitForEnd(of name: String, every pause: Duration, while isGoing: () -> Bool = { true }) async throws {
        while try await hub.hasUnfinishedTasks(.named(name)) {
            try await Task.sleep(for: pause)
            guard !isGoing() else { continue }
            if try await hub.hasUnfinishedTasks(.named(name)) {
                throw CommandFailure.failure("a runner ended too early; see its log in \(folder.path)")
            }
        }
    }

    /// From the first claim to the last report, by the server's clock. Fails where a task was lost or ran twice.
    func seconds(of name: String, count: Int) async throws -> Double {
        let groups = try await hub.tasks.aggregateAll([
            ["$match": ["project_name": .string(Self.project), "task_name": .string(name)]],
            [
                "$group": [
                    "_id": ["status": "$status", "attempt": "$hub.attempt", "runs": ["$size": "$hub.history"]],
                    "count": ["$sum": 1], "started": ["$min": "$hub.started"], "ended": ["$max": "$hub.ended"],
                ]
            ],
        ])
        guard groups.count == 1, let group = groups.first, group["count"]?.intValue == count,
            group["_id"]?.documentValue == ["status": "finished", "attempt": 1, "runs": 1],
            let started = group["started"]?.dateTimeValue, let ended = group["ended"]?.dateTimeValue
        else {
            let found = groups.map { $0.extendedJSON(.relaxed) }.joined(separator: " ")
            throw CommandFailure.failure("not every task of \(name) ran exactly once: \(found)")
        }
        return Double(ended.millisecondsSince1970 - started.millisecondsSince1970) / 1000
    }

    // MARK: Other tasks

    /// Tasks of each kind that `preload()` inserts.
    static let preloadedTasks = 200_000

    /// Inserts tasks that no runner of ours takes: finished ones, waiting ones, and pending ones of another name.
    func preload() async throws -> Int {
        try await hub.ensureIndexes()
        let later = BSONDateTime(millisecondsSince1970: 4_102_444_800_000)  // the year 2100
        for (kind, fields) in [
            ("finished", ["ready": true, "started": "now", "ended": "now"] as BSONDocument),
            ("waiting", ["ready": false, "not_before": .dateTime(later)]),
            ("pending", ["ready": true]),
        ] {
            StandardError.line("tensorhub-bench: inserting \(Self.preloadedTasks) \(kind) tasks")
            let now = try await hub.serverTime()
            var hub: BSONDocument = ["v": 1, "priority": 0, "attempt": .int32(kind == "finished" ? 1 : 0)]
            for (key, value) in fields { hub.append(key, value == "now" ? .dateTime(now) : value) }
            for _ in stride(from: 0, to: Self.preloadedTasks, by: 10_000) {
                let documents = (0..<10_000).map { _ -> BSONDocument in
                    [
                        "_id": .objectID(ObjectID()), "task_name": "other", "project_name": .string(Self.project),
                        "time": .dateTime(now), "hyper_parameters": ["lr": 0.1], "saved_result_keys": ["loss"],
                        "status": .string(kind == "finished" ? "finished" : "pending"),
                        "script": .binary(BSONBinary(bytes: Array("#!/bin/true\n".utf8))),
                        "result": kind == "finished" ? ["loss": 0.5] : [:], "hub": .document(hub),
                    ]
                }
                _ = try await self.hub.tasks.insertMany(documents)
            }
        }
        return 3 * Self.preloadedTasks
    }
}

extension String {
    /// The first place of a short text.
    fileprivate func range(of text: String) -> Range<String.Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
