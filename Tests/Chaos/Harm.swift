package import TensorHub

/// What a script does to its own attempt, by the means that every script has: its user's rights.
package struct Harm: Sendable {
    /// For the lines of a run.
    package var name: String
    /// For a shell in the script's working directory. What it prints is thrown away.
    package var text: String
    /// The attempts that do it, from the first one on.
    package var attempts: Int
    /// Whether output and results may be lost by it.
    package var damagesJournal = false
    package var files: [TaskFile] = []

    /// Every attempt does it.
    private static let always = 1000

    // MARK: Modes and files

    /// The attempt directory is `..`, the folder of all attempts `../..`, the state directory `../../..`.
    package static let modes: [Harm] = {
        var list: [(name: String, text: String)] = [
            ("closed-journal", "chmod 000 ../journal"),
            ("closed-attempt", "chmod 000 .."),
            ("closed-attempts", "chmod 000 ../.."),
            ("closed-state", "chmod 000 ../../.."),
            ("closed-work", "chmod 000 ."),
            ("closed-files", "chmod 000 ../journal/*"),
            ("read-only", "chmod -R a-w .."),
            ("read-only-attempts", "chmod a-w ../.."),
            ("unsearchable-attempts", "chmod a-x ../.."),
            ("moved-journal", "mv ../journal ../elsewhere"),
            ("moved-attempt", "cd ..; mv \"$PWD\" \"$PWD.elsewhere\""),
            ("removed-journal", "rm -rf ../journal"),
            ("removed-attempt", "cd ..; rm -rf \"$PWD\""),
            ("fifo-for-journal", "mv ../journal ../elsewhere; mkfifo ../journal"),
            ("link-for-journal", "mv ../journal ../elsewhere; ln -s elsewhere ../journal"),
            ("empty-journal", "rm -rf ../journal/* ../journal/.[!.]*"),
        ]
        let files = [
            "task.json", "claim.json", "pids.json", "output.log", "exit.json", "result.json", "stop-reason",
            "api-result.bson", "data-sets.bson", "unsent.jsonl", "outbox", "kept", "spool",
        ]
        for file in files {
            let path = "../journal/\(file)"
            list.append(("fifo-for-\(file)", "rm -rf \(path); mkfifo \(path)"))
            list.append(("link-for-\(file)", "rm -rf \(path); ln -s \(file) \(path)"))
            list.append(("folder-for-\(file)", "rm -rf \(path); mkdir \(path); touch \(path)/file"))
        }
        return list.map { Harm(name: $0.name, text: $0.text, attempts: 1, damagesJournal: true) }
    }()

    // MARK: Signals to the supervisor

    package static let stopOnce = Harm(name: "stopped once", text: "kill -STOP $PPID", attempts: always)
    package static let stopAlways = Harm(
        name: "stopped again and again",
        text: "while kill -STOP $PPID; do sleep 0.05; done &",
        attempts: always
    )

    /// What must not make a task go round uncounted. Also by a process that is no longer the script's.
    package static let signals: [Harm] = [
        ("TERM", "kill -TERM $PPID; sleep 1"),
        ("TERM twice", "kill -TERM $PPID; kill -TERM $PPID; sleep 1"),
        ("TERM by an orphan", "setsid sh -c \"(sleep 0.1; kill -TERM $PPID) &\"; sleep 1"),
        ("QUIT", "kill -QUIT $PPID; sleep 1"),
        ("HUP, INT, USR1, USR2, ALRM, PIPE", "kill -HUP $PPID; \(each(["INT", "USR1", "USR2", "ALRM", "PIPE"]))"),
        ("CHLD, CONT, TSTP, TTIN, TTOU, WINCH", each(["CHLD", "CONT", "TSTP", "TTIN", "TTOU", "WINCH"])),
        ("SEGV, ABRT, BUS, XCPU, SYS", each(["SEGV", "ABRT", "BUS", "XCPU", "SYS"])),
        ("KILL", "kill -KILL $PPID; sleep 1"),
    ].map { Harm(name: $0.0, text: $0.1, attempts: always) }

    private static func each(_ names: [String]) -> String {
        names.map { "kill -\($0) $PPID; sleep 0.1; " }.joined()
    }

    // MARK: Queries

    /// Forty queries at a time that no index serves, for so many seconds.
    package static func queries(seconds: Double) -> Harm {
        Harm(
            name: "queries",
            text: "python3 queries.py \(Int(seconds.rounded(.up)))",
            attempts: 1,
            files: [TaskFile(path: "queries.py", data: Array(queryProgram.utf8))]
        )
    }

    private static let queryProgram = """
        import http.client, json, os, socket, sys, threading, time, urllib.parse

        class Connection(http.client.HTTPConnection):
            def connect(self):
                self.sock = socket.socket(socket.AF_UNIX)
                self.sock.settimeout(30)
                self.sock.connect(os.environ["TENSORHUB_SOCKET"])

        def send(method, path, body=None):
            connection = Connection("attempt")
            token = os.environ["TENSORHUB_ATTEMPT_TOKEN"]
            connection.request(method, path, body, {"Authorization": "Bearer " + token})
            return connection.getresponse().read()

        long_sum = {"$reduce": {"input": {"$range": [0, 300000]}, "initialValue": 0,
                                "in": {"$add": ["$$value", "$$this"]}}}
        filters = [
            {"$where": "function() { for (;;) {} }"},
            {"$where": "sleep(1000) || true"},
            {"$expr": {"$eq": [long_sum, {"$strLenBytes": "$text"}]}},
            {"$expr": {"$function": {"body": "function() { for (;;) {} }", "args": [], "lang": "js"}}},
            {"text": {"$regex": "(x+x+)+y"}},
            {"$nor": [{"text": {"$regex": ".*%d.*z$" % n}} for n in range(50)]},
        ]
        places = ["/v1/logs/training", "/v1/datasets", "/v1/models", "/v1/tasks"]
        end = time.monotonic() + float(sys.argv[1])

        # The script lasts for as long as it was told; a query that fails is made again.
        # Few enough for a small disk, many enough for a scan that takes long.
        for _ in range(2):
            entries = [{"step": n, "text": "x" * 100} for n in range(1000)]
            send("POST", "/v1/logs/training", json.dumps(entries))

        def scan(number):
            while time.monotonic() < end:
                query = urllib.parse.urlencode({"filter": json.dumps(filters[number % len(filters)]), "sort": "text:1"})
                place = places[number % len(places) if number % 3 == 0 else 0]
                try:
                    send("GET", place + "?" + query)
                except Exception:
                    time.sleep(0.05)

        for number in range(40):
            threading.Thread(target=scan, args=(number,), daemon=True).start()
        time.sleep(max(0, end - time.monotonic()))
        os._exit(0)

        """
}
