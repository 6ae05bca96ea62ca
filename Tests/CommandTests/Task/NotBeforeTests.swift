import BSON
import Console
import TensorHub
import TestSupport
import Testing

/// Times as people write them to `submit`.
@Suite struct NotBeforeTests {
    @Test func `A time of day is the next one in the zone of whoever submits, and is said back`() async throws {
        try await withCommands { fixture in
            var fixture = fixture
            fixture.environment["TZ"] = "XYZ-3"
            let script = try fixture.file("t.sh", "exit 0")
            for (flag, text, name, utc, local) in [
                ("--not-before", "18:00", "not before", "T15:00:00Z", "18:00 XYZ"),
                ("--deadline", "6:30:15", "deadline", "T03:30:15Z", "06:30:15 XYZ"),
            ] {
                let result = try await fixture.run("submit", script, flag, text)
                #expect(result.status == 0, "\(result.errors)")
                let task = try await fixture.hub.task(try #require(ObjectID(result.output.trimmingLineEnd)))
                let time = try #require(flag == "--deadline" ? task.deadline : task.notBefore)
                let now = try await fixture.hub.serverTime()
                #expect(time > now && time.since(now) <= .seconds(86_400))
                #expect(time.iso8601.hasSuffix(utc), "\(time)")
                let day = time.iso8601.prefix(10)
                #expect(result.errors.contains("\(name) \(day) \(local) (\(time))\n"), "\(result.errors)")
            }
        }
    }

    @Test func `A length has several parts, and is said back as a time`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("t.sh", "exit 0")
            let result = try await fixture.run("submit", script, "--not-before", "+1h30m", "--timeout", "2h05m")
            let task = try await fixture.hub.task(try #require(ObjectID(result.output.trimmingLineEnd)))
            let start = try #require(task.notBefore)
            let now = try await fixture.hub.serverTime()
            #expect(start.since(now) > .seconds(5000) && start.since(now) <= .seconds(5400))
            #expect(task.timeout == .seconds(7500))
            #expect(result.errors.contains("not before ") && result.errors.contains("(\(start))"), "\(result.errors)")
            let exact = try await fixture.run("submit", script, "--not-before", "2030-08-01T09:00:00Z")
            #expect(exact.status == 0 && !exact.errors.contains("not before"), "\(exact.errors)")
        }
    }

    @Test(arguments: ["25:00", "tomorrow", "18", "+", "+1h30", "9999999999999d"])
    func `What is no time is refused`(_ text: String) async throws {
        try await withCommands { fixture in
            let script = try fixture.file("t.sh", "exit 0")
            let result = try await fixture.run("submit", script, "--not-before", text)
            #expect(result.status == 2 && result.output.isEmpty)
            #expect(result.errors.contains("--not-before '\(text)' is no time; write 18:00"), "\(result.errors)")
        }
    }

    @Test(arguments: ["wait", "cancel", "rm", "retry", "hold", "release", "ls", "results", "show", "logs", "why"])
    func `An empty id never means every task`(_ verb: String) async throws {
        try await withCommands { fixture in
            let id = try await fixture.store([:])[0]
            for words in [[""], ["\(id)", ""], [" "]] {
                if words.count > 1 && ["show", "logs", "why"].contains(verb) { continue }
                let result = try await fixture.run("tensorhub", [verb] + words)
                #expect(result.status == 2 && result.output.isEmpty)
                #expect(result.errors.contains("an id is empty: is a shell variable unset?"), "\(result.errors)")
            }
            #expect(try await fixture.hub.task(id).status == .finished)
        }
    }
}
