import BSON
import MongoDriver
import TensorHub
import Testing

@Suite struct SetTests {
    private func task(_ fixture: CommandFixture, _ options: [String] = []) async throws -> ObjectID {
        let path = try fixture.file("train.py", "pass\n")
        let result = try await fixture.run("tensorhub", ["submit", path, "-p", "lr=0.1", "--tag", "draft=1"] + options)
        return try #require(ObjectID(result.output.trimmingLineEnd), "\(result.errors)")
    }

    @Test func `Options of pending tasks are changed and taken away, and claims go by them`() async throws {
        try await withCommands { fixture in
            let first = try await task(fixture, ["--timeout", "1h", "--priority", "3"])
            let second = try await task(fixture)
            let set = [
                "set", "\(second)", "--priority", "9", "--timeout", "90s", "--on", "exit=3:fail", "--env", "A=b",
                "--not-before", "2020-01-01T00:00:00Z", "--arg", "--lr", "--arg", "{lr}",
            ]
            let result = try await fixture.run("tensorhub", set)
            #expect(result.status == 0 && result.errors.contains("1 task changed"), "\(result)")
            let changed = try await fixture.hub.task(second)
            #expect(changed.priority == 9 && changed.timeout == .seconds(90) && changed.arguments == ["--lr", "{lr}"])
            #expect(changed.rules.map(\.text) == ["exit=3:fail"] && changed.variables == ["A": "b"])
            // Not ready before its time is looked at, and of the version that its arguments need.
            #expect(changed.document.value(atPath: "hub.ready") == .double(2.5))
            let away = ["set", "\(first)", "\(second)", "--timeout", "none", "--priority", "0", "--not-before", "none"]
            #expect(try await fixture.run("tensorhub", away).status == 0)
            for id in [first, second] {
                let task = try await fixture.hub.task(id)
                #expect(task.timeout == nil && task.priority == 0 && task.notBefore == nil)
                #expect(task.document.value(atPath: "hub.priority") == 0)
            }
            #expect(try await fixture.hub.task(second).document.value(atPath: "hub.ready") == 2)
            #expect(try await fixture.hub.task(first).document.value(atPath: "hub.ready") == true)
        }
    }

    @Test func `A task that has ended keeps its options and takes tags`() async throws {
        try await withCommands { fixture in
            let ended = try #require(try await fixture.store(["note": "old"]).first)
            let result = try await fixture.run(
                "set",
                "\(ended)",
                "--tag",
                "note=new",
                "--tag",
                "n=3",
                "--untag",
                "missing"
            )
            #expect(result.status == 0, "\(result)")
            #expect(try await fixture.hub.task(ended).tags == ["note": "new", "n": 3])
            let refused = try await fixture.run("set", "\(ended)", "--priority", "5")
            #expect(refused.status == 3 && refused.errors.contains("no task of the selection is pending"), "\(refused)")
        }
    }

    @Test(arguments: [
        (["--priority", "1", "--arg", "{rl}"], "names no hyper-parameter"),
        (["--deadline", "2020-01-01T00:00:00Z", "--not-before", "+1h"], "deadline"),
        (["--priority", "1", "--tag", "status=x"], "field of TensorHub's own"),
        (["--tag", "status=x"], "field of TensorHub's own"), (["--untag", "hub"], "field of TensorHub's own"),
        ([], "nothing is to be set"),
        (["--max-failures", "0"], "max_failures"), (["--cwd", "here"], "cwd"), (["--args=hydra"], "no-hyphens"),
    ])
    func `What cannot be set is named, and nothing is changed`(options: [String], words: String) async throws {
        try await withCommands { fixture in
            let ids = [try await task(fixture), try await task(fixture)]
            let before = try await fixture.tasks.findAll([:], FindOptions(sort: ["_id": 1]))
            let result = try await fixture.run("tensorhub", ["set"] + ids.map { "\($0)" } + options)
            #expect(result.status == 2 && result.errors.contains(words), "\(result)")
            #expect(try await fixture.tasks.findAll([:], FindOptions(sort: ["_id": 1])) == before)
        }
    }

    @Test func `A changed copy has everything but its times, and says where it comes from`() async throws {
        try await withCommands { fixture in
            let data = try fixture.file("data.txt", "hello")
            let old = try await task(
                fixture,
                ["--file", data, "--hold", "--timeout", "1h", "--result", "loss", "--name", "first", "--", "{lr}"]
            )
            let result = try await fixture.run(
                "rerun",
                "\(old)",
                "-p",
                "lr=.5",
                "--text",
                "rev=12e34",
                "--timeout",
                "none"
            )
            let id = try #require(ObjectID(result.output.trimmingLineEnd), "\(result.errors)")
            #expect(result.errors.contains("task 2 created in project test, from task 1\n"))
            let (before, after) = (try await fixture.hub.task(old), try await fixture.hub.task(id))
            #expect(after.origin == old && after.hyperParameters == ["lr": 0.5, "rev": "12e34"])
            #expect(after.script == before.script && after.files == before.files && after.tags == before.tags)
            #expect(after.name == "first" && after.savedResultKeys == ["loss"] && after.arguments == ["{lr}"])
            #expect(!after.isHeld && after.timeout == nil && after.status == .pending && after.attempt == 0)
            let show = try await fixture.run("show", "\(id)")
            #expect(show.output.contains("again from") && show.output.contains("\(old)"))
        }
    }
}
