import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// Numbers of tasks on the command line.
@Suite struct NumberTests {
    private func submit(_ fixture: CommandFixture, _ arguments: String...) async throws -> ProgramResult {
        let script = try fixture.file("train.py", "pass\n")
        return try await fixture.run("tensorhub", ["submit", script] + arguments)
    }

    @Test func `Submitting tells people numbers and programs ids`() async throws {
        try await withCommands { fixture in
            let one = try await submit(fixture)
            #expect(ObjectID(one.output.trimmingLineEnd) != nil)
            #expect(one.errors == "task 1 created in project test\n")
            let many = try await submit(fixture, "--count", "12", "--json")
            #expect(many.errors == "tasks 2..13 created in project test (12)\n")
            let document = try BSONValue(extendedJSON: many.output)
            #expect(document.arrayValue?.map { $0.documentValue?["number"]?.intValue } == Array(2...13))
            let rerun = try await fixture.run("rerun", "1", "-p", "lr=1")
            #expect(rerun.errors == "task 14 created in project test, from task 1\n")
            let task = try await fixture.hub.task(number: 13)
            #expect(task.submit == 2 && task.account == CurrentUser.name)
        }
    }

    @Test func `Listings show numbers, ids where they are asked for, and programs get both`() async throws {
        try await withCommands { fixture in
            _ = try await submit(fixture, "--count", "2")
            let old = try await fixture.store(["task_name": "old", "result": ["loss": 1]])[0]
            let ids = try await fixture.hub.findTasks().compactMap(\.id)
            let list = try await fixture.run("ls")
            #expect(list.lines.contains { $0.hasPrefix("1 ") } && list.lines.contains { $0.hasPrefix("2 ") })
            #expect(list.output.contains("\(old)"))
            let full = try await fixture.run("ls", "--full-ids")
            #expect(ids.allSatisfy { full.output.contains("\($0)") })
            let quiet = try await fixture.run("ls", "--quiet")
            #expect(Set(quiet.lines) == Set(ids.map(\.description)))
            let csv = try await fixture.run("results", "--csv", "--status", "pending,finished")
            #expect(csv.lines.first?.hasPrefix("id,name,status,number") == true)
            #expect(csv.lines.contains { $0.hasPrefix("\(old),old,finished,,") })
            let results = try await fixture.run("results", "--json", "--status", "pending")
            let rows = try BSONValue(extendedJSON: results.output).arrayValue ?? []
            #expect(rows.map { $0.documentValue?["number"]?.intValue } == [1, 2])
            for (arguments, words) in [
                (["show", "2"], "number   "), (["why", "2"], "task 2 is pending"), (["logs", "2"], "of task 2 has"),
                (["show", "\(old)"], "\(old)"), (["find", "state:pending"], "task  2 "),
            ] {
                let result = try await fixture.run("tensorhub", arguments)
                #expect(result.status == 0 && (result.output + result.errors).contains(words), "\(arguments)")
            }
        }
    }

    @Test func `Every verb takes numbers, ranges and ids`() async throws {
        try await withCommands { fixture in
            _ = try await submit(fixture, "--count", "6")
            let held = try await fixture.run("hold", "1..3", "5")
            #expect(held.status == 0 && held.errors.contains("1..3: tasks 1..3 (3) of project test\n"))
            #expect(held.errors.contains("4 tasks held"))
            #expect(try await fixture.run("release", "2").status == 0)
            #expect(try await fixture.run("set", "4", "--priority", "7").status == 0)
            #expect(try await fixture.hub.task(number: 4).priority == 7)
            #expect(try await fixture.run("ls", "--where", "id:4..9", "-q").lines.count == 3)
            #expect(try await fixture.run("cancel", "-", input: "1\n2\n3..6 and more\n").status == 0)
            #expect(try await fixture.run("wait", "1..6", "-q").status == 103)
            #expect(try await fixture.run("retry", "1").status == 0)
            #expect(try await fixture.run("rm", "1..2").status == 0)
            #expect(try await fixture.hub.countTasks() == [.cancelled: 4])
            let id = try #require(try await fixture.hub.task(number: 3).id)
            for kind in ["training"] {
                try await fixture.hub.saveLog(.training, ["loss": 1], origin: AttemptID(task: id, number: 1))
                for arguments in [["--task", "3"], ["--task", "3..4"], ["--task", "@last"], ["--where", "task:3"]] {
                    let result = try await fixture.run("tensorhub", ["log", "ls", kind, "--json"] + arguments)
                    #expect(result.status == 0 && result.output.contains("loss"), "\(arguments) \(result.errors)")
                }
            }
        }
    }

    @Test func `A number that is wrong changes nothing and says what it is`() async throws {
        try await withCommands { fixture in
            _ = try await submit(fixture, "--count", "2")
            var elsewhere = fixture
            elsewhere.environment["TENSORHUB_PROJECT"] = "other"
            _ = try await submit(elsewhere)
            for (word, status, words) in [
                ("9", Int32(3), "there is no task 9 in project 'test'"),
                ("3", 3, "task 3 is of project 'other', not of 'test'"), ("0", 2, "numbers of tasks are from 1"),
                ("1..200000", 2, "100000 is the limit"), ("2..1", 2, "write 1..2"), ("", 2, "an id is empty"),
                ("@lost", 2, "there is no '@lost'"), ("1x", 2, "is no task"), ("@last~1", 3, "has only one submit"),
            ] {
                for verb in ["cancel", "rm", "show", "why", "logs", "wait", "rerun"] {
                    let result = try await fixture.run(verb, word)
                    #expect(result.status == status && result.errors.contains(words), "\(verb) \(word): \(result)")
                }
            }
            #expect(try await fixture.run("cancel", "1", "9").status == 3)
            #expect(try await fixture.hub.countTasks() == [.pending: 2])
        }
    }

    @Test func `The tasks of my latest submit are @last`() async throws {
        try await withCommands { fixture in
            _ = try await submit(fixture, "--count", "2", "--name", "a")
            _ = try await fixture.hub.createTask(TaskSpec(script: "pass"), by: "somebody else")
            _ = try await submit(fixture, "--count", "3", "--name", "b")
            #expect(try await fixture.run("ls", "@last", "-q").lines.count == 3)
            #expect(try await fixture.run("ls", "@last~1", "-q").lines.count == 2)
            let result = try await fixture.run("cancel", "@last~1")
            #expect(result.errors.hasPrefix("@last~1: tasks 1..2 of project test, submitted 2"), "\(result.errors)")
            #expect(try await fixture.hub.countTasks() == [.pending: 4, .cancelled: 2])
            #expect(try await fixture.run("show", "@last").errors.contains("several tasks, 4..6"))
            _ = try await fixture.tasks.updateOne(["hub.number": 5], .document(["$set": ["status": "failed"]]))
            let retried = try await fixture.run("retry", "@last-failed")
            #expect(retried.errors.contains("@last-failed: what failed of tasks 4..6") && retried.status == 0)
            #expect(try await fixture.run("retry", "@last-failed").status == 3)
            #expect(try await fixture.run("rm", "@last").status == 0)
            #expect(try await fixture.hub.countTasks() == [.pending: 1, .cancelled: 2])
        }
    }
}
