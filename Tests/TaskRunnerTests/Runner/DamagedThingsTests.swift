import BSON
import Glibc
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

/// What is set aside, folders of ours that scripts have meddled with, and the signs of runners that live.
@Suite(.timeLimit(.minutes(30))) struct DamagedThingsTests {
    /// A process that has the lock of a runner, as its daemon would.
    private struct Neighbour {
        let id = ObjectID()
        let lock: String
        private let pid: pid_t
        private let stream: UnsafeMutablePointer<FILE>

        init(in state: String) async throws {
            mkdir("\(state)/runners", 0o755)
            lock = "\(state)/runners/\(id)"
            let note = "\(state)/\(id).pid"
            stream = try #require(popen("exec 9>>\(lock); flock 9; echo $$ > \(note); exec sleep 1000", "r"))
            var noted: pid_t?
            _ = await eventually {
                noted = (try? readLines(note))?.first.flatMap { pid_t($0) }
                return noted != nil
            }
            pid = try #require(noted)
        }

        func end() {
            kill(pid, SIGKILL)
            pclose(stream)
        }
    }

    private func shell(_ command: String) throws { try #require(system(command) == 0, "\(command)") }

    @Test func `Of what was set aside the newest twenty stay`() async throws {
        try await withTemporaryDirectory { folder in
            let damage = DamagedThings(stateDirectory: folder)
            for number in 0..<25 {
                try writeFile("\(folder)/\(number)", "x")
                #expect(damage.setAside("\(folder)/\(number)", "odd") == "\(folder)/lost/\(number)")
            }
            #expect(entries("\(folder)/lost").count == 20)
            #expect(damage.count == 25)
        }
    }

    @Test func `A folder of ours that may be read alone gets its rights back, and one without any is set aside`() async
    {
        await #expect(processExitsWith: .success) {
            try await withTemporaryDirectory { folder in
                Unprivileged.become(owning: folder)
                mkdir("\(folder)/attempts", 0o755)
                mkdir("\(folder)/attempts/odd", 0o755)
                chmod("\(folder)/attempts/odd", 0)
                chmod("\(folder)/attempts", 0o500)
                let damage = DamagedThings(stateDirectory: folder)
                _ = try damage.folder("\(folder)/attempts")
                try #require(access("\(folder)/attempts", W_OK) == 0)
                try #require(damage.setAside("\(folder)/attempts/odd", "odd") != nil)
                try #require(entries("\(folder)/lost") == ["odd"])
                // The state directory itself.
                chmod(folder, 0)
                _ = try damage.folder("\(folder)/attempts")
                try #require(access(folder, W_OK | X_OK) == 0)
            }
        }
    }

    @Test(arguments: ["true", "rm L", "rm L; mkdir -p L/x", "rm L; mkfifo L", "rm L; ln -s /etc/passwd L"])
    func `A neighbour lives as long as its process has its lock open, whatever has become of the name`(
        damage: String
    ) async throws {
        try await withTemporaryDirectory { folder in
            let neighbour = try await Neighbour(in: folder)
            try shell(damage.replacing("L", with: neighbour.lock))
            let presence = try RunnerPresence(stateDirectory: folder, runner: ObjectID())
            #expect(presence.isLiving(neighbour.id))
            let others = try presence.withOthers { $0 }
            #expect(!others.dead.contains(neighbour.id))
            // One whose name is gone is not met there.
            #expect(others.living.contains(neighbour.id) == (damage != "rm L"))
            neighbour.end()
            #expect(!presence.isLiving(neighbour.id))
            #expect(try presence.withOthers { $0 }.living.isEmpty)
        }
    }

    @Test(arguments: ["rm L", "rm L; mkdir -p L/x", "rm L; mkfifo L", "rm L; touch L"])
    func `A runner that lives makes its lock again where a script has removed or replaced it`(
        damage: String
    ) async throws {
        try await withTemporaryDirectory { folder in
            let id = ObjectID()
            let presence = try RunnerPresence(stateDirectory: folder, runner: id)
            let lock = "\(folder)/runners/\(id)"
            try shell(damage.replacing("L", with: lock))
            try presence.renew()
            let file = open(lock, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            #expect(file >= 0 && flock(file, LOCK_EX | LOCK_NB) != 0)
            close(file)
            withExtendedLifetime(presence) {}
        }
    }

    @Test func `The attempts of a neighbour whose lock a script has removed are not taken before it is dead`()
        async throws
    {
        try await withAttempts { attempts in
            let neighbour = try await Neighbour(in: attempts.folder)
            let prepared = try attempts.launcher.prepare(attempts.plan("#!/bin/sh\n"))
            var claim = AttemptClaim(prepared.plan)
            claim.runner = neighbour.id
            try prepared.directory.write(claim)
            try shell("rm \(neighbour.lock)")
            let me = ObjectID()
            let presence = try RunnerPresence(stateDirectory: attempts.folder, runner: me)
            func take() throws -> [AttemptDirectory] {
                try AttemptTakeOver.find(
                    from: attempts.launcher.attemptsFolder,
                    by: me,
                    presence,
                    project: claim.project,
                    database: claim.database,
                    damage: DamagedThings(stateDirectory: attempts.folder)
                ).attempts.map(\.directory)
            }
            #expect(try take().isEmpty)
            neighbour.end()
            #expect(try take() == [prepared.directory])
        }
    }

    @Test(arguments: [": > C", "echo '{}' > C", "rm C; touch P", "rm C; mkdir C", "rm C; mkfifo C", "rm -r J"])
    func `An attempt whose claim is damaged or gone is not removed as one that never began`(
        damage: String
    ) async throws {
        try await withAttempts { attempts in
            let prepared = try attempts.launcher.prepare(attempts.plan("#!/bin/sh\n"))
            let journal = prepared.directory.journalPath
            let names = ["C": "\(journal)/claim.json", "P": "\(journal)/pids.json", "J": journal]
            try shell(names.reduce(damage) { $0.replacing(" \($1.key)", with: " \($1.value)") })
            let me = ObjectID()
            let found = try AttemptTakeOver.find(
                from: attempts.launcher.attemptsFolder,
                by: me,
                RunnerPresence(stateDirectory: attempts.folder, runner: me),
                project: "p",
                database: "",
                damage: DamagedThings(stateDirectory: attempts.folder)
            )
            #expect(found.attempts.isEmpty && found.damaged.map(\.directory) == [prepared.directory])
            #expect(entries(attempts.launcher.attemptsFolder) == [prepared.directory.name])
        }
    }

    @Test(arguments: ["rm -r A", "rm -r A; echo x > A", "rm -r A; ln -s /nowhere A", "rm -r A; ln -s /tmp A"])
    func `An attempt begins whatever a script has made of the folder of all attempts`(damage: String) async throws {
        try await withAttempts { attempts in
            try shell(damage.replacing("A", with: attempts.launcher.attemptsFolder))
            let run = try await attempts.runShell("exit 7")
            #expect(run.record?.exit == 7)
        }
    }

    @Test(arguments: ["mkdir -p D/journal", "echo x > D", "ln -s /tmp D", "mkfifo D"])
    func `What a script has put in the place of an attempt that is still to come is set aside`(
        damage: String
    ) async throws {
        try await withAttempts { attempts in
            let plan = attempts.plan("#!/bin/sh\nexit 7")
            let directory = AttemptDirectory(plan.id, in: attempts.launcher.attemptsFolder)
            try shell(damage.replacing("D", with: directory.path))
            #expect(try await attempts.run(plan).record?.exit == 7)
            #expect(entries("\(attempts.folder)/lost") == [directory.name])
        }
    }

    @Test func `Only a folder of an earlier attempt is taken for a checkpoint`() async throws {
        try await withAttempts { attempts in
            var plan = attempts.plan("#!/bin/sh\ncat $TENSORHUB_CHECKPOINT_DIR/epoch")
            plan.id.number = 4
            let waiting = "\(attempts.folder)/checkpoints"
            let task = plan.id.task
            try shell("mkdir -p \(waiting)/\(task).1 \(waiting)/\(task).9")
            try writeFile("\(waiting)/\(task).1/epoch", "1")
            try writeFile("\(waiting)/\(task).9/epoch", "9")
            try shell("ln -s /tmp \(waiting)/\(task).2; echo x > \(waiting)/\(task).3")
            #expect(try await attempts.run(plan).text == "1")
        }
    }
}
