import BSON
import Files
import Glibc
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

/// Scripts that meddle with the journal under a real supervisor.
@Suite(.timeLimit(.minutes(30))) struct AttemptJournalTests {
    private static let journal = "J=\"${PWD%/work}/journal\"; cd /; "

    @Test(arguments: [
        "mkdir -p $J/exit.json/deep", "mkfifo $J/exit.json", "ln -s /etc/hostname $J/exit.json",
        "echo '{}' > $J/exit.json",
        "rm $J/.exit.json.reserved", "rm $J/.exit.json.reserved; mkfifo $J/.exit.json.reserved $J/.exit.json.new",
        "rm $J/.exit.json.reserved; mkdir -p $J/.exit.json.reserved/x $J/.exit.json.new/x",
        "rm $J/.exit.json.reserved; ln -s /nowhere $J/.exit.json.reserved; ln -s /nowhere $J/.exit.json.new",
        "chmod -R a-w $J/..", "chmod 000 $J", "chmod 000 $J/*",
    ])
    func `How a script ended is told whatever it has put in the place of that file`(damage: String) async throws {
        try await withAttempts { attempts in
            let run = try await attempts.runShell(Self.journal + damage + "; exit 7")
            #expect(run.ending == .exited(0))
            #expect(run.record?.exit == 7)
            try run.launched.directory.remove()
            #expect(try AttemptDirectory.existing(in: attempts.launcher.attemptsFolder).isEmpty)
        }
    }

    @Test func `No file with a second name elsewhere is written to`() async throws {
        try await withAttempts { attempts in
            let foreign = attempts.notePath("foreign")
            try writeFile(foreign, "somebody else's")
            let names = [".exit.json.new", ".stop-reason.first", ".stop-reason.new", ".claim.json.new", "exit.json"]
            let links = names.map { "ln \(foreign) $J/\($0)" }.joined(separator: "; ")
            let plan = attempts.plan(
                "#!/bin/sh\n\(Self.journal)rm $J/.exit.json.reserved; \(links); sleep 1000",
                timeout: .milliseconds(300)
            )
            let launched = try attempts.launcher.launch(plan)
            #expect(await eventually { access("\(launched.directory.journalPath)/exit.json", F_OK) == 0 })
            try launched.directory.write(AttemptClaim(plan))
            try launched.directory.writeStopReason("drain")
            let run = try await AttemptRun(plan, launched)
            #expect(run.record?.stopped == "timeout")
            #expect(try readFile(foreign) == Array("somebody else's".utf8))
        }
    }

    @Test(arguments: [
        "rm -r $J", "mv $J $J.old", "mv $J $J.old; cp -a $J.old $J", "mv $J $J.old; ln -s $J.old $J",
        "mv $J $J.old; mkfifo $J", "mv $J $J.old; echo x > $J", "mv ${J%/journal} ${J%/journal}.old",
    ])
    func `A journal that is gone or another one is the script's failure, also for a runner that has taken it up`(
        damage: String
    ) async throws {
        try await withAttempts { attempts in
            let run = try await attempts.runShell(Self.journal + damage)
            #expect(run.failure == .journalLost)
            let (record, outcome, _) = try run.launched.directory.conclude(
                AttemptFacts(supervisor: .unknown, savedResultKeys: []),
                output: run.launched.output,
                wasTakenOver: true
            )
            #expect(record == nil)
            guard case .failed(.journalLost, _, _) = outcome else {
                Issue.record("\(outcome)")
                return
            }
            // What it has asked for itself is no reason to run it again.
            mkdir(run.launched.directory.path, 0o755)
            try? run.launched.directory.state.remove(run.launched.directory.journalPath)
            mkdir(run.launched.directory.journalPath, 0o755)
            try writeFile("\(run.launched.directory.journalPath)/stop-reason", "drain")
            let forged = try run.launched.directory.conclude(
                AttemptFacts(supervisor: run.ending, savedResultKeys: []),
                output: run.launched.output
            )
            #expect(forged.outcome != .stopped(reason: "drain"))
        }
    }

    @Test func `A directory that its script has given another name beside it goes too`() async throws {
        try await withAttempts { attempts in
            let plan = attempts.plan("#!/bin/sh\nD=\"${PWD%/work}\"; cd /; mv $D $D.old; mkdir $D")
            let run = try await attempts.run(plan)
            #expect(run.failure == .journalLost)
            let other = try await attempts.runShell("exit 0")
            try run.launched.directory.remove()
            try run.launched.directory.removeMoved(plan.token)
            #expect(entries(attempts.launcher.attemptsFolder) == [other.launched.directory.name])
        }
    }

    @Test func `A supervisor that was killed is still told from a journal that is lost`() async throws {
        try await withAttempts { attempts in
            let plan = attempts.plan("#!/bin/sh\necho $$ > \(attempts.notePath("pid")); exec sleep 1000")
            let launched = try attempts.launcher.launch(plan)
            _ = try await attempts.notedNumber("pid")
            launched.process.killSupervisor()
            let run = try await AttemptRun(plan, launched)
            guard case .lost(.supervisorLost, _) = run.outcome else {
                Issue.record("\(run.outcome)")
                return
            }
        }
    }

    @Test(arguments: [Int64.min, -1, .max])
    func `No number in an exit record that a script has written itself is too large`(
        number: Int64
    ) throws {
        let json = #"{"exit":0,"peak_memory":\#(number),"output_bytes":\#(number),"output_stored":\#(0 &- number)}"#
        let record = try #require(ExitRecord(json: Array(json.utf8)))
        #expect(record.outputBytes - record.outputStored >= 0)
        #expect(record.peakMemory + (1 << 19) > 0)
    }

    @Test func `Output that is not in the journal any more is counted as lost`() async throws {
        try await withAttempts { attempts in
            let run = try await attempts.runShell(
                "\(Self.journal)echo 12345; sleep 0.3; rm $J/output.log; mkfifo $J/output.log"
            )
            let reader = OutputReader(run.launched.directory, limit: Int64(RunnerOptions.defaultOutputLimit))
            #expect(throws: FileError.self) { try reader.next() }
            #expect(reader.missing(try #require(run.record)) == 6)
        }
    }
}
