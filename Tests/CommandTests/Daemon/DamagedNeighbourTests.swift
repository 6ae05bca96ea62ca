import BSON
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// Damaged attempt directories that are not the business of the daemon that finds them.
@Suite(.timeLimit(.minutes(30))) struct DamagedNeighbourTests {
    private func gated(_ fixture: CommandFixture) -> TaskSpec {
        TaskSpec(
            script: "#!/bin/sh\necho $$ >> \(fixture.folder)/begun\n"
                + "while [ ! -e \(fixture.folder)/gate ]; do sleep 0.05; done\n"
        )
    }

    private func hasBegun(_ fixture: CommandFixture, _ times: Int = 1) async -> Bool {
        await eventually { (try? readLines("\(fixture.folder)/begun").count) == times }
    }

    /// Runs a command as the daemon's user.
    private func shell(_ command: String, _ fixture: CommandFixture) async throws {
        let result = try await fixture.run("/usr/bin/env", Unprivileged.command(["/bin/sh", "-ec", command]))
        try #require(result.status == 0, "\(result.errors)")
    }

    private func end(_ daemons: [Program], _ fixture: CommandFixture) async throws {
        for daemon in daemons {
            for _ in 0..<3 { daemon.signal(SIGTERM) }
            let end = try await fixture.end(of: daemon)
            #expect(end.status == 0, "\(end.errors)")
        }
    }

    @Test func `A damaged directory of a neighbour that lives stays, also for a daemon of another database`()
        async throws
    {
        try await withCommands { fixture in
            let first = try fixture.startDaemon("--slots", "1")
            let id = try await fixture.hub.createTask(gated(fixture))
            #expect(await hasBegun(fixture), "\(first.errors)")
            try await shell(": > \(fixture.folder)/state/attempts/\(id).1/journal/claim.json", fixture)
            let same = try fixture.startDaemon()
            #expect(await eventually { same.errors.contains("it stays") }, "\(same.errors)")
            try await withTestHub(project: "test") { elsewhere in
                // A daemon looks for what was left where its database has tasks.
                try await elsewhere.ensureIndexes()
                let uri = try await TestMongo.uri(database: elsewhere.database.name)
                let foreign = try fixture.startDaemon("--uri", uri)
                #expect(await eventually { foreign.errors.contains("it stays") }, "\(foreign.errors)")
                _ = try fixture.file("gate", "")
                try await fixture.hub.waitForTasks(.ids([id]), timeout: .seconds(60))
                try await end([first, same, foreign], fixture)
            }
            let task = try await fixture.hub.task(id)
            #expect(task.status == .finished && task.history.count == 1, "\(task.document)")
        }
    }

    @Test func `A damaged directory of another project stays until a daemon of that project comes`() async throws {
        try await withCommands { fixture in
            let first = try fixture.startDaemon("--slots", "1")
            let id = try await fixture.hub.createTask(gated(fixture))
            #expect(await hasBegun(fixture), "\(first.errors)")
            first.signal(SIGKILL)
            _ = try await fixture.end(of: first)
            try await shell(": > \(fixture.folder)/state/attempts/\(id).1/journal/claim.json", fixture)
            let other = try fixture.startDaemon("--project", "other")
            #expect(await eventually { other.errors.contains("it stays") }, "\(other.errors)")
            let task = try await fixture.hub.task(id)
            #expect(task.status == .running && task.attempt == 1, "\(task.document)")
            let heir = try fixture.startDaemon()
            #expect(await hasBegun(fixture, 2), "\(heir.errors)")
            _ = try fixture.file("gate", "")
            try await fixture.hub.waitForTasks(.ids([id]), timeout: .seconds(60))
            try await end([other, heir], fixture)
            #expect(try await fixture.hub.task(id).history.count == 2)
        }
    }

    @Test func `A directory with the name of an attempt that runs on another machine changes nothing there`()
        async throws
    {
        try await withCommands { fixture in
            let id = try await fixture.hub.createTask(TaskSpec(script: "#!/bin/sh\n"))
            let elsewhere = ObjectID()
            let session = fixture.hub.session(elsewhere, name: "elsewhere", lease: .seconds(600))
            #expect(try await session.claim(1).tasks.count == 1)
            let folder = "\(fixture.folder)/state/attempts/\(id).1/journal"
            try await shell("mkdir -p \(folder); echo x > \(folder)/claim.json", fixture)
            let daemon = try fixture.startDaemon()
            let lost = "\(fixture.folder)/state/lost"
            #expect(await eventually { entries(lost) == ["\(id).1"] }, "\(daemon.errors)")
            let task = try await fixture.hub.task(id)
            #expect(task.status == .running && task.lease?.runner == elsewhere && task.lost == 0, "\(task.document)")
            try await end([daemon], fixture)
        }
    }
}
