import Files
import Glibc
import Synchronization
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

/// A checkpoint folder that the script writes to while it is copied is copied again, else refused.
@Suite struct ChangingCheckpointTests {
    @Test func `A checkpoint that changes all the time is refused by name, and stored once it is quiet`() async throws {
        try await withAttempt { attempt in
            let weights = "\(attempt.directory.checkpointPath)/weights"
            try writeFile(weights, "0\n")
            let isQuiet = Mutex(false)
            let copies = Counter()
            // Between the copy of the file and the look whether it has changed.
            let delivery = attempt.delivery(sync: { file in
                copies.next()
                if !isQuiet.withLock({ $0 }) { try? writeFile(weights, "\(copies.value)\n") }
                return fsync(file)
            })
            let backend = attempt.backend(delivery)
            let error = await #expect(throws: HubError.self) { try await backend.storeCheckpoint() }
            #expect(
                error?.isChange == true && error?.message.contains("/weights changes") == true,
                "\(error.map { "\($0)" } ?? "")"
            )
            #expect(copies.value == FileState.tries)
            #expect(attempt.kept.isEmpty && delivery.newestCheckpoint == 0)
            isQuiet.withLock { $0 = true }
            try writeFile(weights, "whole\n")
            try await backend.storeCheckpoint()
            let copy = try readFile("\(attempt.directory.keptPath)/checkpoint.\(delivery.newestCheckpoint)/0")
            #expect(String(decoding: copy, as: UTF8.self) == "whole\n")
        }
    }
}
