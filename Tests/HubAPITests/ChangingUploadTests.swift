import BSON
import Files
import Glibc
import TestSupport
import Testing

@testable import HubAPI
@testable import ScriptClient

/// Files that change while a script in Swift saves them.
@Suite struct ChangingUploadTests {
    @Test func `A file that is rewritten while it is sent is refused by name, and taken once it is quiet`() async throws
    {
        try await withAttemptServer { fixture, backend in
            let environment = [
                "TENSORHUB_SOCKET": "\(fixture.folder)/s", "TENSORHUB_ATTEMPT_TOKEN": attemptToken,
                "TENSORHUB_TASK_ID": "\(ObjectID())", "TENSORHUB_ATTEMPT": "2",
                "TENSORHUB_SPOOL_FILE": "\(fixture.folder)/unsent", "TENSORHUB_CHECKPOINT_DIR": "\(fixture.folder)/c",
            ]
            mkdir("\(fixture.folder)/d", 0o755)
            let path = "\(fixture.folder)/d/f"
            try writeFile(path, [UInt8](repeating: 0, count: 1 << 20))
            try writeFile("\(fixture.folder)/d/g", "quiet")
            try await Attempt.run(environment: environment) { attempt in
                for content in [try NewContent(path: path), try NewContent(path: "\(fixture.folder)/d")] {
                    let error = try await whileRewriting(path, size: 1 << 20) {
                        // On a busy machine the writer may not come to write while the file is sent: then it is stored
                        // as it was.
                        for _ in 0..<50 {
                            do { try await attempt.saveDataSet("d", content) } catch let error as ScriptError {
                                return Optional(error)
                            }
                        }
                        return nil
                    }
                    #expect(error?.code == .localFile && error?.message.contains("'f' changes") == true)
                    try await attempt.saveDataSet("d", content)
                }
            }
        }
    }

    @Test func `A look at a folder tells new names, and names that look alike apart`() async throws {
        try await withTemporaryDirectory { folder in
            try writeFile("\(folder)/caf\u{E9}", "1")
            let content = try NewContent(path: folder)
            let before = try FileSnapshot(content)
            #expect(try FileSnapshot(content).difference(from: before) == nil)
            rename("\(folder)/caf\u{E9}", "\(folder)/cafe\u{301}")
            #expect(try FileSnapshot(content).difference(from: before) != nil)
            try writeFile("\(folder)/caf\u{E9}", "1")
            #expect(try NewContent(path: folder).files.map(\.path.bytes) == ["cafe\u{301}", "caf\u{E9}"])
        }
    }
}
