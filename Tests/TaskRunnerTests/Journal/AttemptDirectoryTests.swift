import BSON
import Files
import Glibc
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

@Suite struct AttemptDirectoryTests {
    @Test func `Files of the task lie beside the script`() async throws {
        try await withAttempts { attempts in
            let files = [
                TaskFile(path: "data/a/b.txt", data: Array("hello\n".utf8)),
                TaskFile(path: "data/tool", mode: 0o4755, data: Array("#!/bin/sh\necho tool\n".utf8)),
            ]
            let plan = attempts.plan("#!/bin/sh\ncat data/a/b.txt; stat -c %a data/tool", files: files)
            let run = try await attempts.run(plan)
            #expect(run.text == "hello\n755\n")
            let task = try BSONDocument(extendedJSON: readFile(run.launched.directory.taskFilePath))
            #expect(task == plan.task)
        }
    }

    @Test(arguments: [
        "", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/", "a\0b", "__script__", "__script__/x",
        String(repeating: "x", count: 256),
    ])
    func `A file that leads astray is refused`(path: String) async throws {
        try await withAttempts { attempts in
            let plan = attempts.plan("#!/bin/sh\n", files: [TaskFile(path: path, data: [])])
            let error = #expect(throws: AttemptError.self) { try attempts.launcher.launch(plan) }
            #expect(error?.code == .cannotStart)
            let existing = try AttemptDirectory.existing(in: attempts.launcher.attemptsFolder)
            #expect(existing.isEmpty)
        }
    }

    @Test(arguments: [["a", "a"], ["a", "a/b"], ["a/b", "a"]])
    func `Files in each other's way are refused`(paths: [String]) async throws {
        try await withAttempts { attempts in
            let plan = attempts.plan("#!/bin/sh\n", files: paths.map { TaskFile(path: $0, data: []) })
            let error = #expect(throws: AttemptError.self) { try attempts.launcher.launch(plan) }
            #expect(error?.code == .cannotStart)
            let existing = try AttemptDirectory.existing(in: attempts.launcher.attemptsFolder)
            #expect(existing.isEmpty)
        }
    }

    @Test func `An interpreter that cannot be executed fails the task`() async throws {
        try await withAttempts { attempts in
            let missing = try await attempts.run(attempts.plan("x", interpreter: "./no-such-tool"))
            #expect(missing.failure == .cannotStart)
            #expect(missing.message.contains("No such file or directory"))
            let error = #expect(throws: AttemptError.self) {
                try attempts.launcher.launch(attempts.plan("x", interpreter: "no-such-tool"))
            }
            #expect(error?.message.contains("'no-such-tool'") == true)
        }
    }

    @Test func `A result that is no file is none`() async throws {
        try await withAttempts { attempts in
            for command in ["mkfifo", "mkdir", "ln -s /etc/hostname"] {
                let run = try await attempts.runShell("\(command) \"$TENSORHUB_RESULT_FILE\"")
                #expect(run.result == [:], "\(command)")
            }
        }
    }

    @Test func `Only attempts are found among other names`() async throws {
        try await withTemporaryDirectory { folder in
            let id = ObjectID()
            for name in ["\(id).3", "\(id)", "\(id).x", "\(id).03", "x.1", ".hidden", "\(id).1.2"] {
                mkdir("\(folder)/\(name)", 0o755)
            }
            let found = try AttemptDirectory.existing(in: folder)
            #expect(found == [AttemptDirectory(AttemptID(task: id, number: 3), in: folder)])
            #expect(try found[0].claim() == nil)
            #expect(try found[0].exitRecord() == nil)
        }
    }

    @Test func `Folders of any depth are removed`() async throws {
        try await withTemporaryDirectory { folder in
            let directory = AttemptDirectory(AttemptID(task: ObjectID(), number: 1), in: folder)
            mkdir(directory.path, 0o755)
            var deepest = open(directory.path, O_RDONLY)
            for level in 0..<3000 {
                mkdirat(deepest, "d", 0o755)
                let next = openat(deepest, "d", O_RDONLY)
                if level % 100 == 0 { close(openat(next, "file", O_WRONLY | O_CREAT, 0o600)) }
                close(deepest)
                deepest = next
            }
            close(deepest)
            try directory.remove()
            #expect(access(directory.path, F_OK) != 0)
            try directory.remove()
        }
    }

    @Test func `The Python client is installed once and by many at once`() async throws {
        try await withTemporaryDirectory { folder in
            let folders = try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<20 { group.addTask { try PythonClientFiles.install(in: folder) } }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            let installed = try #require(folders.first)
            #expect(folders.count == 1)
            for name in ["__init__.py", "run.py", "script.py"] {
                #expect(try readFile("\(installed)/tensorhub/\(name)").count > 100)
            }
            #expect(try LocalFolder("\(folder)/python").names().count == 1)
        }
    }

    @Test func `A Python client that a power cut has damaged is put in place anew`() async throws {
        try await withTemporaryDirectory { folder in
            let installed = try PythonClientFiles.install(in: folder)
            truncate("\(installed)/tensorhub/run.py", 0)
            unlink("\(installed)/tensorhub/values.py")
            #expect(try PythonClientFiles.install(in: folder) == installed)
            for (name, bytes) in PythonClientFiles.files {
                #expect(try readFile("\(installed)/tensorhub/\(name)") == bytes)
            }
            #expect(entries("\(folder)/python").count == 1)
        }
    }

    @Test(arguments: [0, 7]) func `Results of the script API that a power cut has damaged are no success`(length: Int)
        async throws
    {
        try await withAttempts { fixture in
            let run = try await fixture.runShell("exit 0\n")
            let directory = run.launched.directory
            try directory.write(reportedResult: ["accuracy": 0.5])
            func outcome() throws -> AttemptOutcome {
                try directory.conclude(
                    AttemptFacts(supervisor: run.ending, savedResultKeys: []),
                    output: run.launched.output
                ).outcome
            }
            #expect(try outcome() == .finished(result: ["accuracy": 0.5]))
            truncate("\(directory.journalPath)/api-result.bson", length)
            guard case .failed(let kind, let message, _) = try outcome() else {
                Issue.record("\(try outcome())")
                return
            }
            #expect(kind == .badResult && message.contains("damaged"))
        }
    }
}
