import BSON
import Glibc
import TestSupport
import Testing

@testable import TaskRunner

/// What signals do to a supervisor: those of a daemon and of the system stop its script, all others nothing.
@Suite struct SignalTests {
    /// Whatever the script has its supervisor sent, it ends by itself.
    @Test(arguments: [
        "kill -TERM $PPID; kill -QUIT $PPID; kill -TERM $PPID",
        "for s in HUP INT USR1 USR2 PIPE ALRM CHLD TSTP TTIN TTOU CONT IO PWR SYS 34 64; do kill -$s $PPID; done",
        // From a session of its own, without a trace of the attempt, by a process whose parent has ended.
        "p=$PPID; (setsid env -i sh -c \"sleep 0.1; kill -TERM $p; kill -QUIT $p; touch sent\" &); "
            + "until [ -e sent ]; do sleep 0.02; done",
        // From a process number 1 of its own, and as root of its own, where the kernel allows that.
        "unshare --user --map-root-user --pid --fork kill -TERM $PPID || true",
        "timeout 1 sh -c \"while :; do kill -TERM $PPID; done\" || true",
    ])
    func `A script cannot stop itself`(script: String) async throws {
        try await withAttempts { attempts in
            let run = try await attempts.runShell("\(script)\nsleep 0.2\nexit 3")
            #expect(run.record?.exit == 3 && run.record?.stopped == nil, "\(run.text)")
            #expect(run.failure == .exitStatus)
            #expect(try run.launched.directory.stopReason() == nil)
        }
    }

    /// sigqueue() lets anybody fill in the sender.
    @Test func `A forged sender is nobody`() async throws {
        try await withAttempts { attempts in
            let script = """
                #!/usr/bin/env python3
                import ctypes, os, struct, time
                libc = ctypes.CDLL(None, use_errno=True)
                parent = os.getppid()
                daemon = int(open(f"/proc/{parent}/stat").read().rsplit(")", 1)[1].split()[1])
                for code in (-1, -2, -5, -60):
                    for sender in (0, 1, daemon):
                        info = struct.pack("iiixxxxii", 15, 0, code, sender, 0).ljust(128, b"\\0")
                        for signal in (15, 3):
                            if libc.syscall(129, parent, signal, info):
                                raise OSError(ctypes.get_errno(), "rt_sigqueueinfo")
                            time.sleep(0.01)
                raise SystemExit(3)
                """
            let run = try await attempts.run(attempts.plan(script))
            #expect(run.record?.exit == 3 && run.record?.stopped == nil, "\(run.text)")
        }
    }

    @Test func `Orders reach a supervisor that its script has stopped`() async throws {
        try await withAttempts { attempts in
            let plan = attempts.plan(
                """
                #!/bin/sh
                trap 'echo told; exit 85' TERM
                kill -STOP $PPID
                echo $$ > \(attempts.notePath("pid"))
                while :; do sleep 0.01; done
                """
            )
            let launched = try attempts.launcher.launch(plan)
            _ = try await attempts.notedNumber("pid")
            #expect(launched.process.condition == .stopped)
            launched.process.requestStop()
            let run = try await AttemptRun(plan, launched)
            #expect(run.record?.stopped == "request" && run.record?.exit == 85 && run.text.contains("told\n"))
        }
    }

    /// What is below a supervisor is found whatever it calls itself, and whatever it does meanwhile.
    @Test func `A supervisor is killed with all below it`() async throws {
        try await withAttempts { attempts in
            let plan = attempts.plan(
                """
                #!/bin/sh
                setsid env -i sh -c "while :; do kill -STOP $PPID; done" &
                (setsid env -i sh -c 'echo $$ > \(attempts.notePath("other")); exec sleep 1000' &)
                env -i sh -c 'while :; do (sleep 0.01 &); sleep 0.005; done' &
                echo $$ > \(attempts.notePath("pid"))
                exec sleep 1000
                """
            )
            let launched = try attempts.launcher.launch(plan)
            let (pid, other) = try await (attempts.notedNumber("pid"), attempts.notedNumber("other"))
            let tree = ProcessEntry.all().descendants(of: launched.process.pid)
            #expect(Set(tree.map(\.pid)).isSuperset(of: [pid, other]))
            launched.process.killTree()
            let run = try await AttemptRun(plan, launched)
            #expect(run.ending == .signaled(SIGKILL) && run.record == nil)
            #expect(await eventually { !tree.contains { entry in ProcessEntry(entry.pid)?.start == entry.start } })
        }
    }

    /// A stop is nobody's failure; so only a runner's word counts, not a file that the script can write as well.
    @Test func `A script that kills its supervisor cannot say that it was stopped`() async throws {
        try await withAttempts { attempts in
            for file in [
                #"echo drain > $J/stop-reason"#,
                #"echo drain > $J/stop-reason; echo '{"signal":15,"stopped":"request"}' > $J/exit.json"#,
            ] {
                let run = try await attempts.runShell("J=../journal\n\(file)\nkill -KILL $PPID\nsleep 1000")
                #expect(run.ending == .signaled(SIGKILL))
                guard case .lost(.supervisorLost, _) = run.outcome else {
                    Issue.record("\(run.outcome)")
                    continue
                }
            }
            let late = try await attempts.runShell(
                "echo timeout > ../journal/stop-reason; kill -KILL $PPID; sleep 1000"
            )
            #expect(late.failure == .timeout)
        }
    }

    @Test(.enabled(if: access("/usr/bin/prlimit", X_OK) == 0, "needs prlimit"))
    func `A supervisor that can list nothing says that something is left`() async throws {
        try await withAttempts { attempts in
            let plan = attempts.plan(
                """
                #!/bin/sh
                setsid sleep 1000 &
                echo $! > \(attempts.notePath("pid"))
                prlimit --pid $PPID --nofile=0
                """
            )
            let run = try await attempts.run(plan)
            let pid = try await attempts.notedNumber("pid")
            #expect(run.record?.exit == 0 && run.record?.hasSurvivors == true && isAlive(pid))
            #expect(try AttemptSurvivors.kill(plan.token).contains(pid))
        }
    }
}

/// The system's word to a supervisor that is not root's; and that of others.
@Suite(.enabled(if: geteuid() == 0, "needs root, to be somebody else than the script"))
struct SystemSignalTests {
    /// Lends a supervisor that runs as somebody who is not root.
    private func withUnprivileged(
        _ script: String,
        _ body: (AttemptFixture, AttemptPlan, AttemptLauncher.Launched) async throws -> Void
    ) async throws {
        let user = try #require(Unprivileged.user)
        let programs = try Unprivileged.programs()
        let words = Unprivileged.command(["\(programs)/tensorhub-supervisor"]).joined(separator: " ")
        try await withTemporaryDirectory { folder in
            let wrapper = "\(folder)/supervisor"
            try writeFile(wrapper, "#!/bin/sh\nchown -R \(user):\(user) '\(folder)/attempts'\nexec \(words) \"$@\"\n")
            chmod(wrapper, 0o755)
            chmod(folder, 0o777)
            let launcher = try AttemptLauncher(
                stateDirectory: folder,
                supervisor: wrapper,
                environment: ["PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": folder]
            )
            let attempts = AttemptFixture(folder: folder, launcher: launcher)
            let plan = attempts.plan("#!/bin/sh\necho $$ > \(attempts.notePath("pid"))\n\(script)")
            try await body(attempts, plan, try launcher.launch(plan))
        }
    }

    /// A process that is not the supervisor's parent.
    private func shell(_ script: String, as user: uid_t? = nil) throws {
        var words = ["/bin/sh", "-c", script]
        if user != nil { words = ["/usr/bin/env"] + Unprivileged.command(words) }
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for text in arguments { free(text) } }
        var pid: pid_t = 0
        try #require(posix_spawn(&pid, words[0], nil, nil, arguments, environ) == 0)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        try #require(status == 0)
    }

    @Test func `Root stops a script and nobody else does`() async throws {
        try await withUnprivileged("trap 'echo told; exit 85' TERM; while :; do sleep 0.01; done") {
            attempts,
            plan,
            launched in
            _ = try await attempts.notedNumber("pid")
            let supervisor = launched.process.pid
            try shell("kill -TERM \(supervisor); kill -QUIT \(supervisor)", as: Unprivileged.user)
            // The kernel keeps one signal of a kind, that which came first.
            #expect(await eventually { Self.hasTakenSignals(supervisor) })
            #expect(ProcessEntry(supervisor)?.isDead == false)
            try shell("kill -TERM \(supervisor)")
            let run = try await AttemptRun(plan, launched)
            #expect(run.text.contains("told\n") && run.record?.stopped == "request")
            #expect(run.outcome == .checkpointed)
        }
    }

    private static func hasTakenSignals(_ process: Int32) -> Bool {
        let status = (try? readFile("/proc/\(process)/status")) ?? []
        return String(decoding: status, as: UTF8.self).contains("ShdPnd:\t0000000000000000\n")
    }

    @Test func `Where scripts run as root any other process of root's is ignored`() async throws {
        try await withAttempts { attempts in
            let plan = attempts.plan(
                "#!/bin/sh\ntrap 'echo told' TERM\necho $$ > \(attempts.notePath("pid"))\nwhile :; do sleep 0.01; done"
            )
            let launched = try attempts.launcher.launch(plan)
            _ = try await attempts.notedNumber("pid")
            try shell("kill -TERM \(launched.process.pid); sleep 0.2; kill -QUIT \(launched.process.pid); sleep 0.1")
            #expect(ProcessEntry(launched.process.pid)?.isDead == false)
            launched.process.requestKill()
            let run = try await AttemptRun(plan, launched)
            #expect(run.record?.signal == SIGKILL && !run.text.contains("told"))
        }
    }

    /// systemd stops everybody, sends SIGTERM to everybody, and lets everybody go on. The script may die first.
    @Test(arguments: ["exec sleep 1000", "trap 'exit 1' TERM; while :; do sleep 0.01; done"])
    func `A machine that goes down is no failure`(script: String) async throws {
        try await withUnprivileged(script) { attempts, plan, launched in
            let pid = try await attempts.notedNumber("pid")
            let supervisor = launched.process.pid
            try shell("kill -STOP \(supervisor) \(pid); kill -TERM \(pid) \(supervisor); kill -CONT \(pid)")
            #expect(await eventually { ProcessEntry(pid)?.isDead == true })
            try shell("kill -CONT \(supervisor)")
            let run = try await AttemptRun(plan, launched)
            #expect(run.record?.stopped == "request")
            #expect(run.outcome == .stopped(reason: "drain"))
            #expect(try run.launched.directory.stopReason() == "drain")
        }
    }

    /// Other service managers take one process after the other.
    @Test func `The script may be dead before the supervisor hears why`() async throws {
        try await withUnprivileged("exec sleep 1000") { attempts, plan, launched in
            let pid = try await attempts.notedNumber("pid")
            try shell("kill -TERM \(pid); sleep 0.05; kill -TERM \(launched.process.pid)")
            let run = try await AttemptRun(plan, launched)
            #expect(run.outcome == .stopped(reason: "drain"))
        }
    }
}
