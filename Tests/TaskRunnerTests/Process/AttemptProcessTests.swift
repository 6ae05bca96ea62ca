import BSON
import Files
import Glibc
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

/// Real scripts under the real supervisor: how they end, and that nothing of them stays behind.
@Suite struct AttemptProcessTests {
    @Test func `Exit status, duration and memory are reported`() async throws {
        try await withAttempts { attempts in
            let run = try await attempts.runShell("echo out; echo err >&2; exit 3")
            #expect(run.ending == .exited(0))
            #expect(run.record?.exit == 3)
            #expect(run.text == "out\nerr\n")
            #expect(run.record?.outputBytes == 8)
            #expect((100_000..<50_000_000).contains(run.record?.peakMemory ?? 0))
            #expect((run.record?.duration ?? .zero) > .zero)
            #expect(
                run.outcome
                    == .failed(
                        kind: .exitStatus,
                        message: "the script ended with exit status 3",
                        tail: "out\nerr\n"
                    )
            )
            try run.launched.directory.remove()
            #expect(try AttemptDirectory.existing(in: attempts.launcher.attemptsFolder).isEmpty)
        }
    }

    @Test func `A signal is told from an exit status`() async throws {
        try await withAttempts { attempts in
            let run = try await attempts.runShell("kill -SEGV $$")
            #expect(run.record?.signal == 11)
            #expect(run.failure == .signal)
            #expect(run.message.contains("SIGSEGV"))
        }
    }

    @Test func `Exit status 85 asks to be run again`() async throws {
        try await withAttempts { attempts in
            let run = try await attempts.runShell("exit 85")
            #expect(run.outcome == .checkpointed)
        }
    }

    @Test func `A script begins with a clean process`() async throws {
        try await withAttempts { attempts in
            let run = try await attempts.runShell(
                """
                readlink /proc/$$/fd/0; ls /proc/$$/fd > list; grep -cv -e '^[012]$' -e '^1[01]$' list
                grep -e SigBlk -e SigIgn /proc/$$/status | cut -f 2
                pwd; [ $$ = "$(cut -d ' ' -f 6 < /proc/$$/stat)" ] && echo leader; cat
                """
            )
            let lines = run.text.split(separator: "\n").map(String.init)
            #expect(lines.prefix(3) == ["/dev/null", "0", "0000000000000000"])
            // glibc's posix_spawn leaves its two internal signals, 32 and 33, ignored.
            #expect(lines.dropFirst(3).first.flatMap { UInt64($0, radix: 16) }.map { $0 & 0x7FFF_FFFF } == 0)
            #expect(lines.dropFirst(4).first?.hasSuffix("/\(run.launched.directory.name)/work") == true)
            #expect(lines.last == "leader")
            #expect(run.result == [:])
        }
    }

    @Test func `Processes left behind are killed however they were detached`() async throws {
        try await withAttempts { attempts in
            let script = """
                sh -c 'echo $$ > \(attempts.notePath("child")); exec sleep 1000' &
                setsid sh -c '(setsid sh -c "echo \\$\\$ > \(attempts.notePath("daemon")); exec sleep 1000" &) ; exit 0'
                while ! [ -s \(attempts.notePath("daemon")) ] || ! [ -s \(attempts.notePath("child")) ]; do :; done
                """
            let run = try await attempts.runShell(script)
            #expect(run.record?.exit == 0)
            #expect(run.record?.survivors == [])
            #expect(try await !isAlive(attempts.notedNumber("child")))
            #expect(try await !isAlive(attempts.notedNumber("daemon")))
        }
    }

    @Test func `A child that holds the output does not prolong the attempt`() async throws {
        try await withAttempts { attempts in
            let run = try await attempts.runShell("(trap '' TERM HUP; sleep 1000) & echo done")
            #expect(run.result == [:])
            #expect(run.text == "done\n")
        }
    }

    @Test func `A script may close its output and go on`() async throws {
        try await withAttempts { attempts in
            let go = attempts.notePath("go")
            let plan = attempts.plan(
                "#!/bin/sh\necho first\nexec >&- 2>&-\necho $$ > \(attempts.notePath("pid"))\n"
                    + "while ! [ -e \(go) ]; do :; done\nexit 7\n"
            )
            let launched = try attempts.launcher.launch(plan)
            #expect(try await isAlive(attempts.notedNumber("pid")))
            try writeFile(go, "")
            let run = try await AttemptRun(plan, launched)
            #expect(run.record?.exit == 7)
            #expect(run.text == "first\n")
        }
    }

    @Test func `A script that ignores the stop is killed after the grace period`() async throws {
        try await withAttempts { attempts in
            let plan = attempts.plan(
                "#!/bin/sh\ntrap '' TERM\nsetsid sh -c 'echo $$ > \(attempts.notePath("other")); exec sleep 1000' &\n"
                    + "echo $$ > \(attempts.notePath("pid"))\nwhile :; do sleep 0.01; done\n",
                grace: .milliseconds(100)
            )
            let launched = try attempts.launcher.launch(plan)
            let (pid, other) = try await (attempts.notedNumber("pid"), attempts.notedNumber("other"))
            try launched.directory.writeStopReason("cancelled")
            launched.process.requestStop()
            let run = try await AttemptRun(plan, launched)
            #expect(run.record?.signal == SIGKILL)
            #expect(run.record?.stopped == "request")
            #expect(run.outcome == .stopped(reason: "cancelled"))
            #expect(!isAlive(pid) && !isAlive(other))
        }
    }

    @Test func `A stop reaches the whole session and leaves time to finish`() async throws {
        try await withAttempts { attempts in
            // `set -m` gives the background child a process group of its own in the same session.
            let plan = attempts.plan(
                """
                #!/bin/bash
                set -m
                bash -c 'trap "echo child told; exit" TERM; echo $$ > \(attempts.notePath("child"))
                while :; do sleep 0.01; done' &
                trap 'wait; echo saved; exit 85' TERM
                echo $$ > \(attempts.notePath("pid"))
                while :; do sleep 0.01; done
                """
            )
            let launched = try attempts.launcher.launch(plan)
            _ = try await (attempts.notedNumber("pid"), attempts.notedNumber("child"))
            try launched.directory.writeStopReason("drain")
            launched.process.requestStop()
            let run = try await AttemptRun(plan, launched)
            // bash adds its own lines on the commands that it loses.
            #expect(run.text.split(separator: "\n").filter { $0 != "Terminated" } == ["child told", "saved"])
            #expect(run.outcome == .checkpointed)
        }
    }

    @Test func `A kill does not wait for the grace period`() async throws {
        try await withAttempts { attempts in
            let plan = attempts.plan(
                "#!/bin/sh\ntrap '' TERM\necho $$ > \(attempts.notePath("pid"))\nwhile :; do sleep 0.01; done",
                grace: .seconds(100_000)
            )
            let launched = try attempts.launcher.launch(plan)
            _ = try await attempts.notedNumber("pid")
            launched.process.requestStop()
            launched.process.requestKill()
            let run = try await AttemptRun(plan, launched)
            #expect(run.record?.signal == SIGKILL)
            #expect(run.outcome == .stopped(reason: "request"))
        }
    }

    @Test func `A script that runs too long is stopped`() async throws {
        try await withAttempts { attempts in
            let run = try await attempts.run(attempts.plan("#!/bin/sh\nsleep 1000", timeout: .milliseconds(50)))
            #expect(run.failure == .timeout)
            #expect(run.record?.signal == SIGTERM)
            #expect(try run.launched.directory.stopReason() == "timeout")
        }
    }

    @Test func `A script that deletes its whole directory hurts only itself`() async throws {
        try await withAttempts { attempts in
            let run = try await attempts.runShell("echo bye; rm -rf \"$(dirname \"$PWD\")\"; echo more; exit 0")
            #expect(run.ending == .exited(75))
            #expect(run.failure == .journalLost)
            try run.launched.directory.remove()
        }
    }

    @Test func `A script that makes its folders unreadable and deep can be removed`() async throws {
        try await withAttempts { attempts in
            let run = try await attempts.runShell(
                """
                mkdir -p a/b && touch a/b/c && ln -s / a/root && mkfifo a/pipe
                d=12345678901234567890; for i in 1 2 3 4 5 6; do d=$d/$d; done; mkdir -p "$d/x" "a/$d"; touch "$d/y"
                chmod 0 a/b a
                """
            )
            #expect(run.record?.exit == 0)
            try run.launched.directory.remove()
            #expect(access(run.launched.directory.path, F_OK) != 0)
        }
    }

    @Test func `The script dies with its supervisor`() async throws {
        try await withAttempts { attempts in
            let plan = attempts.plan("#!/bin/sh\necho $$ > \(attempts.notePath("pid"))\nexec sleep 1000")
            let launched = try attempts.launcher.launch(plan)
            let pid = try await attempts.notedNumber("pid")
            launched.process.killSupervisor()
            let run = try await AttemptRun(plan, launched)
            #expect(run.ending == .signaled(SIGKILL))
            guard case .lost(.supervisorLost, _) = run.outcome else {
                Issue.record("\(run.outcome)")
                return
            }
            #expect(await eventually { !isAlive(pid) })
        }
    }

    /// Bytes of the environment that stand before the token: a script may order it anew.
    @Test(arguments: [0, 60_000]) func `What survives its supervisor is found by the token and killed`(size: Int)
        async throws
    {
        try await withAttempts { attempts in
            let plan = attempts.plan(
                """
                #!/bin/sh
                text=$(head -c \(size) /dev/zero | tr '\\0' x)
                token=TENSORHUB_ATTEMPT_TOKEN=$TENSORHUB_ATTEMPT_TOKEN
                setsid env -i TEXT=$text $token /bin/sleep 1000 &
                echo $! > \(attempts.notePath("pid"))
                exec sleep 1000
                """
            )
            let launched = try attempts.launcher.launch(plan)
            let pid = try await attempts.notedNumber("pid")
            #expect(await eventually { (try? readFile("/proc/\(pid)/comm")) == Array("sleep\n".utf8) })
            launched.process.killSupervisor()
            _ = await launched.process.wait()
            #expect(isAlive(pid), "the test needs a process that outlives its supervisor")
            #expect(try AttemptSurvivors.kill(ObjectID()).isEmpty)
            #expect(isAlive(pid))
            #expect(try AttemptSurvivors.kill(plan.token).contains(pid))
            #expect(await eventually { !isAlive(pid) })
            #expect(try AttemptSurvivors.kill(plan.token).isEmpty)
        }
    }

    @Test func `A script that prints nothing for too long is stopped`() async throws {
        try await withAttempts { attempts in
            var plan = attempts.plan("#!/bin/sh\nfor i in 1 2 3 4 5; do echo $i; sleep 0.1; done; exec sleep 1000")
            plan.options.stall = .milliseconds(700)
            let run = try await AttemptRun(plan, try attempts.launcher.launch(plan))
            #expect(run.failure == .stall)
            #expect(run.text == "1\n2\n3\n4\n5\n")
            #expect(run.record?.stopped == "stall")
        }
    }

    /// Between the installation of an upgrade and the start of the new daemon.
    @Test(arguments: ["", "--output-limit 4194304"])
    func `A daemon of before the upgrade is served, which says less`(_ words: String) async throws {
        try await withTemporaryDirectory { folder in
            let former = """
                #!/bin/sh
                words="\(words)"
                while :; do
                    case $1 in
                    --output-*) shift 2 ;;
                    --*) words="$words $1 $2"; shift 2 ;;
                    *) exec \(testedSupervisor) $words "$@" ;;
                    esac
                done
                """
            try writeFile("\(folder)/supervisor", former)
            chmod("\(folder)/supervisor", 0o755)
            try await withAttempts(supervisor: "\(folder)/supervisor") { attempts in
                let limit = words.isEmpty ? Int64(RunnerOptions.defaultOutputLimit) : 4 << 20
                let script = "#!/bin/sh\nyes | head -c 9000000\n"
                let run = try await attempts.run(attempts.plan(script, outputLimit: limit))
                #expect(run.record?.exit == 0)
                #expect(run.output.count == (words.isEmpty ? 9_000_000 : run.output.count))
                #expect(
                    run.output.allSatisfy { $0 == UInt8(ascii: "y") || $0 == UInt8(ascii: "\n") },
                    "no hole is read"
                )
            }
        }
    }

    @Test func `A supervisor that comes too late does not start the script`() async throws {
        try await withAttempts { attempts in
            let plan = attempts.plan("#!/bin/sh\nexec sleep 1000")
            let launched = try attempts.launcher.launch(plan)
            _ = try await eventually { try launched.directory.processes() != nil }
            #expect(try launched.directory.abandon() == .busy, "its supervisor is at work")
            launched.process.requestKill()
            _ = await launched.process.wait()

            // Laid out, and its runner died before it started the supervisor.
            let other = attempts.plan("#!/bin/sh\ntouch \(attempts.notePath("ran"))")
            let command = try ScriptCommand(
                script: other.script,
                interpreter: nil,
                path: "/usr/bin:/bin",
                pythonFolder: "/py"
            )
            let directory = try AttemptDirectory.create(other, command: command, in: attempts.launcher.attemptsFolder)
            #expect(try directory.abandon() == .abandoned)
            let process = try SupervisorProcess.start(
                supervisor: testedSupervisor,
                directory: directory,
                plan: other,
                command: command,
                environment: ScriptEnvironment(inherited: [:], allowing: [])
            )
            #expect(await process.wait() == .exited(71))
            #expect(access(attempts.notePath("ran"), F_OK) != 0)
        }
    }

    @Test func `Another runner can take the supervisor over`() async throws {
        try await withAttempts { attempts in
            let plan = attempts.plan("#!/bin/sh\necho $$ > \(attempts.notePath("pid"))\nexec sleep 1000")
            let launched = try attempts.launcher.launch(plan)
            let pid = try await attempts.notedNumber("pid")
            let found = try AttemptDirectory.existing(in: attempts.launcher.attemptsFolder)
            #expect(found == [launched.directory])
            #expect(try found[0].claim() == AttemptClaim(plan))
            let processes = try #require(try found[0].processes())
            #expect(processes.script.pid == pid)
            let again = try #require(try SupervisorProcess.takeOver(processes))
            again.requestStop()
            #expect(await again.wait() == .unknown)
            #expect(await launched.process.wait() == .exited(0))
            #expect(try found[0].exitRecord()?.signal == SIGTERM)
            #expect(try SupervisorProcess.takeOver(processes) == nil)
        }
    }

    @Test func `Where nothing tells the supervisor its end is waited for`() async throws {
        try await withAttempts { attempts in
            let plan = attempts.plan("#!/bin/sh\nexec sleep 1000")
            let launched = try attempts.launcher.launch(plan)
            #expect(try await eventually { try launched.directory.processes() != nil })
            let takenOver = TakenOverAttempt(launched.directory, AttemptClaim(plan))
            guard case .running = try takenOver.look() else {
                Issue.record("it lives")
                return
            }
            // As a power cut leaves a file that was not synced.
            try writeFile("\(launched.directory.journalPath)/pids.json", "")
            #expect(try takenOver.look() == nil)
            launched.process.requestKill()
            _ = await launched.process.wait()
            unlink("\(launched.directory.journalPath)/exit.json")
            guard case .ended(.unknown) = try takenOver.look() else {
                Issue.record("nobody holds the lock any more")
                return
            }
        }
    }

    @Test func `Want of descriptors is not taken for the end of a supervisor`() async {
        await #expect(processExitsWith: .success) {
            let pid = getpid()
            let start = try #require(try startTime(of: pid))
            let text = #"{"supervisor": {"pid": \#(pid), "start": \#(start)}, "script": {"pid": 1, "start": 1}, "#
            let json = try text + #""boot_id": "\#(bootID())"}"#
            let processes = try #require(AttemptProcesses(json: Array(json.utf8)))
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let former = limit
            limit.rlim_cur = 0
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let error = #expect(throws: FileError.self) { try SupervisorProcess.takeOver(processes) }
            let survivors = #expect(throws: FileError.self) { try AttemptSurvivors.kill(ObjectID()) }
            limit = former
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            #expect(error?.mayPass == true && survivors?.mayPass == true)
            #expect(try SupervisorProcess.takeOver(processes) != nil)
        }
    }

    @Test func `A stranger with the same number is not taken over`() async throws {
        try await withAttempts { attempts in
            let plan = attempts.plan("#!/bin/sh\nexec sleep 1000")
            let launched = try attempts.launcher.launch(plan)
            var pids: AttemptProcesses?
            _ = try await eventually {
                pids = try launched.directory.processes()
                return pids != nil
            }
            var processes = try #require(pids)
            processes.supervisor.start += 1
            #expect(try SupervisorProcess.takeOver(processes) == nil)
            launched.process.requestKill()
            _ = await launched.process.wait()
        }
    }

    @Test func `Two hundred attempts at once all start and end`() async throws {
        try await withAttempts { attempts in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        // Each script is started right after it was written, while others are being written.
                        let run = try await attempts.runShell("echo \(number)")
                        defer { try? run.launched.directory.remove() }
                        return run.text == "\(number)\n" && run.result == [:]
                    }
                }
                var count = 0
                for try await isRight in group where isRight { count += 1 }
                #expect(count == 200)
            }
            #expect(try AttemptDirectory.existing(in: attempts.launcher.attemptsFolder).isEmpty)
        }
    }

    @Test func `The supervisor needs hardly any memory`() async throws {
        try await withAttempts { attempts in
            // The prints go through its buffer first.
            let plan = attempts.plan(
                "#!/bin/sh\nhead -c 3000000 /dev/zero\necho $$ > \(attempts.notePath("pid"))\nexec sleep 1000"
            )
            let launched = try attempts.launcher.launch(plan)
            _ = try await attempts.notedNumber("pid")
            // Alone on the machine, and after it has let go of what only the start needed.
            var kilobytes = 0
            _ = try await eventually {
                let lines = try readLines("/proc/\(launched.process.pid)/smaps_rollup")
                kilobytes = lines.filter { $0.hasPrefix("Private_") }
                    .compactMap { $0.split(separator: " ").dropFirst().first.flatMap { Int($0) } }
                    .reduce(0, +)
                return (1..<512).contains(kilobytes)
            }
            #expect((1..<512).contains(kilobytes))
            launched.process.requestKill()
            _ = await launched.process.wait()
        }
    }
}
