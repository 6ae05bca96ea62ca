import BSON
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// Arguments, commands, folders, variables and Pythons, from the command line to the script.
@Suite struct ArgumentTests {
    private let script =
        "import os, sys, json\nprint(json.dumps(sys.argv[1:]), os.getcwd(), sys.prefix, os.environ.get('COLOUR'))\n"

    @Test func `What is behind the dashes reaches the script, with hyper-parameters filled in`() async throws {
        try await withCommands { fixture in
            let path = try fixture.file("train.py", script)
            try await fixture.withDaemon {
                let run = [
                    "run", path, "-p", "lr=.5", "-p", "on=True", "--env", "COLOUR=a b", "--args=no-boolean-flags",
                ]
                let result = try await fixture.run("tensorhub", run + ["--", "--lr", "{lr}", "--", "{}", "-p", "x y"])
                #expect(result.status == 0, "\(result.errors)")
                let arguments = #"["--lr=0.5", "--on", "--lr", "0.5", "--", "{}", "-p", "x y"]"#
                #expect(result.output.hasPrefix(arguments), "\(result.output)")
                #expect(result.output.trimmingLineEnd.hasSuffix(" a b"))
            }
        }
    }

    @Test func `A command runs in the folder that it is given, or with the files that are sent`() async throws {
        try await withCommands { fixture in
            let path = try fixture.file("train.py", script)
            let sent = ["run", "--file", path, "-p", "n=1", "--", "python3", "train.py", "{n}"]
            try await fixture.withDaemon {
                let there = try await fixture.run("tensorhub", ["run", "--cwd", fixture.folder, "--", "python3", path])
                #expect(there.status == 0 && there.output.hasPrefix("[] \(fixture.folder) "), "\(there)")
                let beside = try await fixture.run("tensorhub", sent)
                #expect(beside.status == 0 && beside.output.hasPrefix(#"["1"]"#), "\(beside)")
                let nowhere = try await fixture.run(
                    "run",
                    path,
                    "--cwd",
                    "/nonexistent/folder",
                    "--max-failures",
                    "1"
                )
                #expect(nowhere.status == 100 && nowhere.errors.contains("'/nonexistent/folder'"), "\(nowhere)")
            }
        }
    }

    @Test func `The Python that is asked for runs the script, as its environment has it`() async throws {
        try await withCommands { fixture in
            let path = try fixture.file("train.py", script)
            let venv = "\(fixture.folder)/venv"
            _ = try await runPython("import sys, venv; venv.create(sys.argv[1], with_pip=False)", [venv])
            chmod(fixture.folder, 0o755)
            try await fixture.withDaemon {
                for python in [venv, "\(venv)/bin/python3", "conda:\(venv)"] {
                    let result = try await fixture.run("run", path, "--python", python)
                    #expect(result.status == 0 && result.output.contains(" \(venv) "), "\(python): \(result)")
                }
                let missing = try await fixture.run("run", path, "--python", "conda:nowhere", "--max-failures", "1")
                #expect(missing.status == 100 && missing.errors.contains("'nowhere'"), "\(missing)")
            }
        }
    }

    @Test(arguments: [
        (["train.py", "--lr", "3"], "behind `--`"), ([], "nothing is to be run"),
        (["--", "python3", "train.py"], "--file train.py"), (["--", "python3", "-m", "pkg.train"], "--file pkg"),
        (["train.py", "--", "{lr}"], "names no hyper-parameter"), (["notebook.ipynb"], "jupyter nbconvert"),
        (["train.py", "--env", "TENSORHUB_URI=x"], "TENSORHUB_URI"),
        (["train.py", "--env", "NOT_SET_AT_ALL"], "NOT_SET_AT_ALL"),
        (["train.py", "--cwd", "relative"], "cwd"), (["train.py", "--args=hydra"], "hydra"),
    ])
    func `A mistake is named with its fix, and nothing is created`(arguments: [String], words: String) async throws {
        try await withCommands { fixture in
            _ = try fixture.file("train.py", "pass\n")
            _ = try fixture.file("notebook.ipynb", "{}\n")
            mkdir("\(fixture.folder)/pkg", 0o755)
            let result = try await fixture.run(
                "/usr/bin/env",
                ["-C", fixture.folder, "\(Program.folder)/tensorhub", "submit"] + arguments
            )
            #expect(result.status == 2 && result.errors.contains(words), "\(result)")
            #expect(try await fixture.tasks.countDocuments() == 0)
        }
    }

    @Test func `A script that reads its command line and gets none is told of, and a secret too`() async throws {
        try await withCommands { fixture in
            let path = try fixture.file("train.py", "import argparse\n")
            let plain = try await fixture.run("submit", path, "-p", "lr=1", "--env", "API_KEY=x")
            #expect(plain.errors.contains("argparse") && plain.errors.contains("'{lr}'"), "\(plain.errors)")
            #expect(plain.errors.contains("looks like a secret"))
            let given = try await fixture.run("submit", path, "-p", "lr=1", "--args")
            #expect(given.status == 0 && !given.errors.contains("hint"), "\(given.errors)")
        }
    }

    @Test func `A hyper-parameter that nobody uses is named in the output and by show`() async throws {
        try await withCommands { fixture in
            let path = try fixture.file("train.py", "lr = 0.1\nprint(n)\nloss = lr\n")
            try await fixture.withDaemon {
                let run = ["run", path, "-p", "lr=0.5", "-p", "n=3", "-p", "k=1", "-p", "m=2", "--", "{k}"]
                let result = try await fixture.run("tensorhub", run)
                #expect(result.status == 0, "\(result.errors)")
                #expect(result.output.contains("never uses the hyper-parameters lr, m:"), "\(result.output)")
                let argparse = try fixture.file(
                    "parse.py",
                    "import argparse\np = argparse.ArgumentParser()\np.add_argument('--lr')\nprint(p.parse_args().lr)\n"
                )
                let parsed = try await fixture.run("run", argparse, "-p", "lr=0.5")
                #expect(parsed.output.contains("never uses the hyper-parameter lr:"), "\(parsed)")
                let id = try await fixture.tasks.findOne()?["_id"]?.objectIDValue
                let show = try await fixture.run("show", "\(try #require(id))")
                #expect(show.output.contains("never used") && show.output.contains("lr, m\n"), "\(show.output)")
            }
        }
    }

    @Test func `A folder is sent with what is in it, and a dry run creates nothing`() async throws {
        try await withCommands { fixture in
            let path = try fixture.file("train.py", "pass\n")
            for folder in ["lib", "lib/deep", "lib/.git"] { mkdir("\(fixture.folder)/\(folder)", 0o755) }
            for name in ["lib/a.py", "lib/deep/b.py", "lib/.git/config"] { _ = try fixture.file(name, "x") }
            let arguments = [
                "submit", path, "--file", "\(fixture.folder)/lib", "--file", "\(fixture.folder)/lib=other",
            ]
            let dry = try await fixture.run("tensorhub", arguments + ["--dry-run"])
            #expect(dry.status == 0 && dry.output.contains("lib/deep/b.py"), "\(dry)")
            #expect(try await fixture.tasks.countDocuments() == 0)
            let result = try await fixture.run("tensorhub", arguments)
            let task = try await fixture.hub.task(try #require(ObjectID(result.output.trimmingLineEnd)))
            #expect(task.files.map(\.path) == ["lib/a.py", "lib/deep/b.py", "other/a.py", "other/deep/b.py"])
        }
    }

    @Test func `Ctrl-C asks the task of a run to end, and the run ends with its status`() async throws {
        try await withCommands { fixture in
            let path = try fixture.file("train.py", "import time\nprint('began', flush=True)\ntime.sleep(600)\n")
            try await fixture.withDaemon {
                let run = try fixture.start("run", path, "--grace", "1s")
                #expect(await eventually { run.output.contains("began") })
                run.signal(SIGINT)
                let result = try await fixture.end(of: run)
                #expect(result.status == 103 && result.errors.contains("is cancelled"), "\(result)")
            }
        }
    }
}
