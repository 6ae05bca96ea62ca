import BSON
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// One damaged thing keeps nobody else from being handled: whatever a script, or a power cut, has done below the state
/// directory of a daemon that was killed.
@Suite(.timeLimit(.minutes(30))) struct DamageTests {
    /// What the next daemon makes of the attempt that the damage was done to.
    enum End: Sendable {
        /// It goes on.
        case takenUp
        /// It goes on, and is noticed once it has ended.
        case awaited
        /// Its script is ended, its directory set aside; then it is run again.
        case runAgain
        /// The same, but there is no directory left.
        case runAgainWithoutTrace
    }

    struct Damage: Sendable, CustomTestStringConvertible {
        var command: String
        var end: End
        var testDescription: String { command }

        init(_ command: String, _ end: End) {
            self.command = command
            self.end = end
        }
    }

    /// Shell commands in the state directory; `$victim`, `$other` are the directories of two attempts, `$runner` is the
    /// dead daemon's lock.
    static let damages: [Damage] = [
        Damage("chmod 000 $victim", .takenUp),
        Damage("chmod 000 $victim/journal", .takenUp),
        Damage("chmod 000 $victim/journal/* && chmod 500 $victim/journal", .takenUp),
        Damage("chmod 000 attempts", .takenUp),
        Damage("chmod 000 runners", .takenUp),
        Damage("chmod 500 attempts runners", .takenUp),
        Damage("chmod 000 .", .takenUp),
        Damage("chmod 000 attempts/*/journal attempts/* attempts runners .", .takenUp),

        Damage(": > $victim/journal/claim.json", .runAgain),
        Damage("echo '{\"v\": 1, \"runner\": {}}' > $victim/journal/claim.json", .runAgain),
        Damage("head -c 3000 /dev/urandom > $victim/journal/claim.json", .runAgain),
        Damage("cp $other/journal/claim.json $victim/journal/claim.json", .runAgain),
        Damage("cd $victim/journal; rm claim.json; ln -s task.json claim.json", .runAgain),
        Damage("cd $victim/journal; rm claim.json; mkfifo claim.json", .runAgain),
        Damage("cd $victim/journal; rm claim.json; mkdir -p claim.json/claim.json", .runAgain),
        Damage("rm $victim/journal/claim.json", .runAgain),
        Damage("rm -rf $victim/journal/*", .runAgain),
        Damage("rm -rf $victim/journal/* $victim/journal/.[a-z]*", .runAgain),
        Damage("rm -rf $victim/*; mkdir $victim/journal", .runAgain),

        Damage(": > $victim/journal/pids.json", .awaited),
        Damage("rm $victim/journal/pids.json", .awaited),
        Damage("cd $victim/journal; rm pids.json; ln -s /proc/self/mounts pids.json", .awaited),
        Damage("cd $victim/journal; rm pids.json; mkfifo pids.json", .awaited),
        Damage("cd $victim/journal; rm pids.json; mkdir pids.json", .awaited),
        Damage("echo '{\"exit\": \"none\"}' > $victim/journal/exit.json", .takenUp),
        Damage(": > $victim/journal/task.json; mkfifo $victim/journal/stop-reason", .takenUp),

        Damage("mkdir -p $victim/journal/outbox/1", .takenUp),
        Damage("mkdir $victim/journal/outbox; mkfifo $victim/journal/outbox/1", .takenUp),
        Damage("mkdir $victim/journal/outbox; echo x > $victim/journal/outbox/18446744073709551615", .takenUp),
        Damage(
            "mkdir $victim/journal/outbox; echo x > $victim/journal/outbox/1; mkdir $victim/journal/outbox/position",
            .takenUp
        ),
        Damage("echo x > $victim/journal/outbox", .takenUp),
        Damage("rm -rf $victim/journal/spool; ln -s $PWD/$other/journal $victim/journal/spool", .takenUp),

        Damage("rm -rf $victim/journal; echo x > $victim/journal", .runAgain),
        Damage("rm -rf $victim/journal; mkfifo $victim/journal", .runAgain),
        Damage("rm -rf $victim/journal", .runAgain),
        Damage("mv $victim/journal $victim/checkpoint/journal; ln -s $PWD/$other/journal $victim/journal", .runAgain),
        Damage("rm -rf $victim", .runAgainWithoutTrace),
        Damage("mv $victim elsewhere; ln -s $PWD/$other $victim", .runAgain),
        Damage("mv $victim elsewhere; echo x > $victim", .runAgain),

        Damage("chmod 000 $runner", .takenUp),
        Damage("rm $runner", .takenUp),
        Damage("rm $runner; mkdir -p $runner/x", .takenUp),
        Damage("rm $runner; mkfifo $runner", .takenUp),
        Damage("rm $runner; ln -s /etc/passwd $runner", .takenUp),
        Damage("rm -f runners/.heir; mkdir -p runners/.heir/x", .takenUp),
        Damage("rm -f runners/.heir; mkfifo runners/.heir", .takenUp),
        Damage(": > runners/.heir; chmod 000 runners/.heir", .takenUp),
        Damage("mv runners elsewhere; echo x > runners", .takenUp),
        Damage("mv runners elsewhere; ln -s nowhere runners", .takenUp),
        Damage("rm -rf runners", .takenUp),

        Damage("mkdir -p checkpoints/x; chmod 000 checkpoints", .takenUp),
        Damage("rm -rf checkpoints; echo x > checkpoints", .takenUp),
        Damage("echo x > lost; : > $victim/journal/claim.json", .runAgain),
        Damage("mkdir -p lost/x; chmod 000 lost; : > $victim/journal/claim.json", .runAgain),
        Damage("mkdir -p cache/blobs/x; chmod 000 cache/blobs cache", .takenUp),
        Damage("find python -depth -exec chmod 000 {} +", .takenUp),
        Damage("rm -rf python; echo x > python", .takenUp),
        Damage("for folder in python/*; do rm -rf $folder; mkfifo $folder; done", .takenUp),
        Damage("for file in python/*/tensorhub/run.py; do rm $file; mkdir -p $file/x; done", .takenUp),

        Damage("mkfifo attempts/65f000000000000000000001.1; echo x > attempts/65f000000000000000000002.1", .takenUp),
        Damage("mkdir -p attempts/65f000000000000000000003.1/journal/claim.json attempts/notes", .takenUp),
        Damage("cp -r $other attempts/65f000000000000000000004.1", .takenUp),
    ]

    @Test(arguments: damages)
    func `One damaged thing keeps nobody else from being taken up`(_ damage: Damage) async throws {
        try await withCommands { fixture in
            let daemon = try fixture.startDaemon("--slots", "3")
            let script = gated(fixture)
            let ids = try await fixture.hub.createTasks((0..<3).map { _ in TaskSpec(script: script) })
            #expect(await eventually { ids.allSatisfy { beginnings(fixture, $0) == 1 } }, "\(daemon.errors)")
            let state = "\(fixture.folder)/state"
            let lock = try #require(entries("\(state)/runners").first { ObjectID($0) != nil })
            daemon.signal(SIGKILL)
            _ = try await fixture.end(of: daemon)
            try await shell(
                "cd \(state); victim=attempts/\(ids[0]).1; other=attempts/\(ids[1]).1; runner=runners/\(lock); "
                    + damage.command,
                fixture
            )

            let next = try fixture.startDaemon("--slots", "3")
            func isSaid(_ words: String, of id: ObjectID) -> Bool {
                next.errors.split(separator: "\n").contains { $0.contains(words) && $0.contains("task.id=\(id)") }
            }
            let others = ids[1...]
            #expect(await eventually { others.allSatisfy { isSaid("Taking up", of: $0) } }, "\(next.errors)")
            switch damage.end {
            case .takenUp: #expect(await eventually { isSaid("Taking up", of: ids[0]) }, "\(next.errors)")
            case .awaited: #expect(await eventually { isSaid("Cannot tell yet", of: ids[0]) }, "\(next.errors)")
            case .runAgain, .runAgainWithoutTrace:
                #expect(await eventually { next.errors.contains("attempts/\(ids[0]).1 reason=") }, "\(next.errors)")
                #expect(await eventually { beginnings(fixture, ids[0]) == 2 }, "\(next.errors)")
            }
            _ = try fixture.file("gate", "")
            let areEnded = try await eventually(within: .seconds(60)) {
                try await fixture.hub.findTasks(.ids(ids)).allSatisfy { $0.status == .finished }
            }
            #expect(areEnded, "\(next.errors)")
            for id in ids {
                let task = try await fixture.hub.task(id)
                let isAgain = id == ids[0] && (damage.end == .runAgain || damage.end == .runAgainWithoutTrace)
                #expect(
                    task.history.count == (isAgain ? 2 : 1) && task.failures == 0,
                    "\(task.document)\n\(next.errors)"
                )
                #expect(beginnings(fixture, id) == (isAgain ? 2 : 1))
                #expect(task.lost == (isAgain ? 1 : 0))
            }
            #expect(!entries(fixture.folder).contains("twice"))
            if damage.end == .runAgain { #expect(entries("\(state)/lost").contains("\(ids[0]).1"), "\(next.errors)") }
            // It works on as if nothing had been.
            let last = try await fixture.hub.createTask(TaskSpec(script: script))
            #expect(
                try await eventually { try await fixture.hub.task(last).status == .finished },
                "\(next.errors)"
            )
            for _ in 0..<3 { next.signal(SIGTERM) }
            let end = try await fixture.end(of: next)
            #expect(end.status == 0, "\(end.errors)")
            #expect(entries("\(state)/attempts").filter { name in ids.contains { name.hasPrefix("\($0)") } }.isEmpty)
        }
    }

    /// Says when it runs beside another attempt of its own.
    private func gated(_ fixture: CommandFixture) -> String {
        """
        #!/bin/sh
        record=\(fixture.folder)/record.$TENSORHUB_TASK_ID
        for pid in $(cat $record 2>/dev/null); do
            # One that is dead and only not collected yet is none.
            grep -qs '^State:.[^ZX]' /proc/$pid/status && echo $pid >> \(fixture.folder)/twice
        done
        echo $$ >> $record
        while [ ! -e \(fixture.folder)/gate ]; do sleep 0.05; done
        """
    }

    /// How often the script of a task was begun.
    private func beginnings(_ fixture: CommandFixture, _ id: ObjectID) -> Int {
        (try? readLines("\(fixture.folder)/record.\(id)").count) ?? 0
    }

    /// Runs a command as the daemon's user.
    private func shell(_ command: String, _ fixture: CommandFixture) async throws {
        let words = Unprivileged.command(["/bin/sh", "-ec", command])
        let result = try await fixture.run("/usr/bin/env", words)
        try #require(result.status == 0, "\(result.errors)")
    }
}
