import BSON
import Glibc
import MongoDriver
import TestSupport
import Testing

@Suite struct ClientTests {
    @Test func `Closing waits for running calls, and calls after it are refused`() async throws {
        try await withTestDatabase { _, name in
            let client = try MongoClient(uri: try await TestMongo.shared())
            let tasks = client.database(name).collection("Task")
            try await tasks.insertOne(["_id": 1])
            let stream = tasks.watch([], ChangeStreamOptions(maxAwaitTime: .milliseconds(50)))
            try await stream.open()
            async let first = outcome(of: tasks)
            async let second = outcome(of: tasks)
            async let closing: Void = client.close()
            async let closingAgain: Void = client.close()
            for code in await [first, second] { #expect(code == nil || code == .closed) }
            await closing
            await closingAgain
            let late = await outcome(of: tasks)
            #expect(late == .closed)
            let iterated = await failure { for try await _ in tasks.find() {} }
            #expect(iterated?.code == .closed)
            let watched = await failure { try await tasks.watch().open() }
            #expect(watched?.code == .closed)
            var events = stream.makeAsyncIterator()
            let end = try await events.next()
            #expect(end == nil)
        }
    }

    private func outcome(of tasks: MongoCollection) async -> MongoError.Code? {
        await failure { _ = try await tasks.findOne(["$where": "sleep(20) || true"]) }?.code
    }

    @Test func `A call that was started is finished although its task is cancelled`() async throws {
        try await withTestDatabase { client, name in
            let tasks = client.database(name).collection("Task")
            let insert = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await tasks.insertOne(["_id": 1])
            }
            let id = try await insert.value
            let count = try await tasks.countDocuments()
            #expect(id == 1)
            #expect(count == 1)
        }
    }

    private var oneThread: MongoClient.Options {
        var options = MongoClient.Options()
        options.threads = 1
        return options
    }

    @Test func `A thousand clients, closed or let go, leave no thread, no descriptor and no memory behind`()
        async throws
    {
        let uri = try await TestMongo.shared()
        let options = oneThread
        // Twenty at a time: libmongoc takes up to half a second to end its monitors.
        func open(_ count: Int) async throws {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<count {
                    if number >= 20 { try await group.next() }
                    group.addTask {
                        let client = try MongoClient(uri: uri, options: options)
                        try await client.database("admin").runCommand(["ping": 1])
                        if number.isMultiple(of: 2) { await client.close() }
                    }
                }
                try await group.waitForAll()
            }
        }
        // Other tests run at the same time; so the figures may differ by theirs, but not by a thousand clients'.
        try await open(100)
        let before = ResourceUse()
        try await open(1000)
        var after = ResourceUse()
        let isSettled = await eventually {
            after = ResourceUse()
            return after.threads < before.threads + 100 && after.descriptors < before.descriptors + 200
        }
        #expect(isSettled, "\(before) became \(after)")
        // A sanitizer keeps what was freed, to tell its later uses.
        let isSanitizing = getenv("TENSORHUB_SANITIZING") != nil
        #expect(isSanitizing || after.residentBytes < before.residentBytes + 200 << 20, "\(before) became \(after)")
    }
}

/// What this process holds, as /proc has it.
struct ResourceUse {
    var threads = 0
    var descriptors = 0
    var residentBytes = 0

    init() {
        threads = Self.count("/proc/self/task")
        descriptors = Self.count("/proc/self/fd")
        guard let file = fopen("/proc/self/statm", "r") else { return }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        guard fgets(&line, 256, file) != nil else { return }
        let fields = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
            separator: " "
        )
        residentBytes = (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * sysconf(CInt(_SC_PAGESIZE))
    }

    private static func count(_ folder: String) -> Int {
        guard let directory = opendir(folder) else { return 0 }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        return count
    }
}
