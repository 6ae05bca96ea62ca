import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

@Suite struct StatusTests {
    private func failed(_ tail: String, hoursAgo: Int64) -> BSONDocument {
        let now = BSONDateTime.now.millisecondsSince1970
        let error: BSONValue = [
            "kind": "exit-status", "message": "the script ended with exit status 1", "tail": .string(tail),
        ]
        let ended = BSONDateTime(millisecondsSince1970: now - hoursAgo * 3_600_000)
        return ["status": "failed", "hub": ["v": 1, "ready": true, "ended": .dateTime(ended), "error": error]]
    }

    @Test func `A project is shown at one look: counts, failures by their last line, what waits and why`() async throws
    {
        try await withCommands { fixture in
            let empty = try await fixture.run("status")
            #expect(empty.status == 0 && empty.output.contains("no tasks"), "\(empty)")
            let traceback = "Traceback:\n  File x\nValueError: lr is negative\n\n"
            let ids = try await fixture.store(
                [:],
                failed(traceback, hoursAgo: 2),
                failed(traceback, hoursAgo: 1),
                failed("CUDA error: out of memory\n", hoursAgo: 3),
                failed("long ago\n", hoursAgo: 30)
            )
            let script = try fixture.file("t.sh", "true\n")
            let held = try await fixture.run("submit", script, "--hold", "--name", "held")
            #expect(held.status == 0, "\(held.errors)")
            let status = try await fixture.run("status")
            #expect(status.status == 0, "\(status.errors)")
            for words in [
                "1 pending", "1 finished", "4 failed", "    2  \(ids[2])  ValueError: lr is negative",
                "CUDA error: out of memory", "it is held",
            ] {
                #expect(status.output.contains(words), "\(words) is not in\n\(status.output)")
            }
            #expect(!status.output.contains("long ago"))
            let json = try BSONDocument(extendedJSON: try await fixture.run("status", "--json").output)
            #expect(json.value(atPath: "counts.failed") == 4 && json["failures"]?.arrayValue?.count == 2)
            #expect(json.value(atPath: "oldest.status") == "pending")
            let list = try await fixture.run("ls", "--status", "failed")
            #expect(list.output.contains("ValueError: lr is negative") && !list.output.contains("exit status 1"))
        }
    }

    @Test func `What runs is shown with its host, how far it is and what it says`() async throws {
        try await withCommands { fixture in
            try await fixture.withDaemon("--name", "here") {
                let script = try fixture.file("t.sh", "#!/bin/sh\necho began\nsleep 600\n")
                let submitted = try await fixture.run("submit", script, "--name", "slow", "--grace", "1s")
                let id = submitted.output.trimmingLineEnd
                #expect(try await eventually { try await fixture.status(id) == "running" })
                let progress: BSONDocument = ["fraction": 0.5, "message": "epoch 3", "time": .dateTime(.now)]
                let update: BSONDocument = ["$set": ["hub.progress": .document(progress)]]
                try await fixture.tasks.updateOne(["task_name": "slow"], .document(update))
                let status = try await fixture.run("status")
                for words in ["1 running", "slow", "here", "50 %", "epoch 3"] {
                    #expect(status.output.contains(words), "\(words) is not in\n\(status.output)")
                }
                _ = try await fixture.run("cancel", id)
            }
        }
    }
}
