import BSON
import Glibc
import TestSupport
import Testing

@testable import TaskRunner

@Suite struct AttemptOutputTests {
    @Test func `Output is kept byte for byte`() async throws {
        try await withAttempts { attempts in
            let run = try await attempts.runShell(#"printf 'a\000b\377\r10%%\r20%%\n\303'; exit 1"#)
            #expect(run.output == [97, 0, 98, 255, 13, 49, 48, 37, 13, 50, 48, 37, 10, 0xC3])
            guard case .failed(_, _, let tail) = run.outcome else { return #expect(Bool(false)) }
            #expect(tail == "a\u{FFFD}b\u{FFFD}\r10%\r20%\n\u{FFFD}")
        }
    }

    @Test func `Output can be read while the script runs`() async throws {
        try await withAttempts { attempts in
            let go = attempts.notePath("go")
            let plan = attempts.plan("#!/bin/sh\necho one\nwhile ! [ -e \(go) ]; do :; done\necho two\n")
            let launched = try attempts.launcher.launch(plan)
            var first: OutputPiece?
            #expect(
                try await eventually {
                    first = try launched.output.next()
                    return first != nil
                }
            )
            #expect(first == OutputPiece(offset: 0, data: Array("one\n".utf8)))
            try writeFile(go, "")
            let run = try await AttemptRun(plan, launched)
            #expect(run.text == "two\n")
            #expect(launched.output.isComplete(try #require(run.record)))
        }
    }

    /// Every line tells its own offset, so whatever is read can be checked.
    @Test(.timeLimit(.minutes(30))) func `A flood of output is bounded on disk and reads true`() async throws {
        try await withAttempts { attempts in
            let limit: Int64 = 4 << 20
            let bytes: Int64 = 160_000_000
            let plan = attempts.plan("#!/bin/sh\nseq -f %015.0f 0 16 \(bytes - 16)", outputLimit: limit)
            let launched = try attempts.launcher.launch(plan)
            var (wrong, covered, peak, end) = (0, Int64(0), Int64(0), Int64(0))
            func readAll() throws {
                while let chunk = try launched.output.next(maxBytes: 100_000) {
                    if chunk.offset < end || !isTrue(chunk) { wrong += 1 }
                    covered += Int64(chunk.data.count)
                    end = chunk.offset + Int64(chunk.data.count)
                }
            }
            var isOver = false
            while !isOver {
                isOver = try launched.directory.exitRecord() != nil
                try readAll()
                var status = stat()
                if stat(launched.directory.outputPath, &status) == 0 { peak = max(peak, Int64(status.st_blocks) * 512) }
            }
            let run = try await AttemptRun(plan, launched)
            let record = try #require(run.record)
            #expect(wrong == 0)
            #expect(record.outputBytes == bytes && end == bytes)
            #expect(record.outputGap == launched.output.hole(size: bytes))
            #expect(covered >= limit - (1 << 20))
            #expect((1...limit + (2 << 20)).contains(peak))
            #expect(launched.output.isComplete(record))
            #expect(try launched.output.tail(16) == Array("\(String(repeating: "0", count: 6))\(bytes - 16)\n".utf8))

            // A reader that comes late finds the head, the gap and the end.
            let late = OutputReader(launched.directory, limit: limit)
            var offsets: [Int64] = []
            var sum: Int64 = 0
            while let chunk = try late.next() {
                #expect(isTrue(chunk))
                if chunk.offset != sum { offsets.append(chunk.offset) }
                sum = chunk.offset + Int64(chunk.data.count)
            }
            #expect(offsets == [record.outputGap?.upperBound])
            #expect(sum == bytes)
        }
    }

    private func isTrue(_ chunk: OutputPiece) -> Bool {
        var index = Int((16 - chunk.offset % 16) % 16)
        while index + 16 <= chunk.data.count {
            let line = String(decoding: chunk.data[index..<(index + 15)], as: UTF8.self)
            if Int64(line) != chunk.offset + Int64(index) { return false }
            index += 16
        }
        return true
    }

    @Test func `A full disk costs output but not the script`() async throws {
        try await withTemporaryDirectory { folder in
            // A limit on file sizes stands for the full disk: writes beyond it fail.
            let wrapper = "\(folder)/supervisor"
            try writeFile(wrapper, "#!/bin/bash\nulimit -f 100\nexec \(testedSupervisor) \"$@\"\n")
            chmod(wrapper, 0o755)
            try await withAttempts(supervisor: wrapper) { attempts in
                let run = try await attempts.runShell("head -c 1000000 /dev/zero; exit 0")
                #expect(run.result == [:])
                #expect(run.record?.outputBytes == 1_000_000)
                #expect(run.record?.outputStored == 102_400)
                #expect(run.record?.outputError != nil)
                #expect(run.output.count == 102_400)
                #expect(run.launched.output.isComplete(try #require(run.record)))
            }
        }
    }

    @Test(arguments: [0, 1 << 20, 4 << 20, (4 << 20) + 5, 5 << 20, (6 << 20) - 1, 300_000_000] as [Int64])
    func `The hole begins at the head and ends at a whole step`(size: Int64) {
        let reader = OutputReader(path: "/nonexistent", limit: 4 << 20)
        let hole = reader.hole(size: size)
        #expect(hole.lowerBound == 1 << 20)
        #expect(hole.isEmpty || hole.upperBound % (1 << 20) == 0)
        // Never less than the limit is kept, never more than a step beyond it.
        let kept = size - Int64(hole.count)
        #expect(kept >= min(size, 4 << 20) && kept < (5 << 20))
    }

    @Test func `A reader of a file that is not there yet has nothing`() throws {
        let reader = OutputReader(path: "/nonexistent/output.log", limit: 64 << 20)
        #expect(try reader.next() == nil)
        #expect(try reader.tail() == [])
    }
}
