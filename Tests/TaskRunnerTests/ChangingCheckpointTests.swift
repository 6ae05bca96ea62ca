import Glibc
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

/// A checkpoint folder that the script writes to while it is copied is copied again, else refused.
@Suite struct ChangingCheckpointTests {
    @Test func `A checkpoint that changes all the time is refused by name, and stored once it is quiet`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let server = DirectServer()
                // Another file each time: a copy would have some of them and not the others.
                let script = """
                    #!/bin/sh
                    cd $TENSORHUB_CHECKPOINT_DIR; echo 1 > weights; touch \(folder)/first
                    while ! test -e \(folder)/stop; do echo 1 > weights; echo 2 > weights; done
                    echo whole > weights; touch \(folder)/quiet
                    until test -e \(folder)/end; do sleep 0.01; done
                    """
                let id = try await hub.createTask(TaskSpec(script: Array(script.utf8)))
                try await withRunner(hub, slots: 1, { $0.scriptServer = server }) { _ in
                    let backend = try #require(await server.backend())
                    #expect(await eventually { access("\(folder)/first", F_OK) == 0 })
                    let error = await #expect(throws: HubError.self) { try await backend.storeCheckpoint() }
                    #expect(
                        error?.isChange == true && error?.message.contains("/weights changes") == true,
                        "\(error.map { "\($0)" } ?? "")"
                    )
                    #expect(try await hub.task(id).checkpoint == nil)
                    try writeFile("\(folder)/stop", "")
                    #expect(await eventually { access("\(folder)/quiet", F_OK) == 0 })
                    try await backend.storeCheckpoint()
                    #expect(
                        try await eventually {
                            guard let file = try await hub.task(id).checkpoint?.files.first else { return false }
                            var bytes: [UInt8] = []
                            for try await piece in hub.readBlob(file.blob.id, in: .checkpoints) { bytes += piece }
                            return bytes == Array("whole\n".utf8)
                        }
                    )
                    try writeFile("\(folder)/end", "")
                    try await hub.waitForTasks(.ids([id]))
                }
            }
        }
    }
}
