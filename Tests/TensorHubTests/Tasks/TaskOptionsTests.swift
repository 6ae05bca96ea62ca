import BSON
import TestSupport
import Testing

@testable import TensorHub

@Suite struct TaskOptionsTests {
    private static let all: TaskSpec = {
        var spec = TaskSpec(script: "pass")
        (spec.priority, spec.maxFailures, spec.hold, spec.interpreter) = (-5, 4, true, "python3 -O")
        (spec.backoff, spec.timeout, spec.stall, spec.grace) = (.zero, .milliseconds(1500), .seconds(2), .seconds(3))
        spec.notBefore = BSONDateTime(millisecondsSince1970: 1)
        spec.deadline = BSONDateTime(millisecondsSince1970: 2)
        spec.rules = [FailureRule(.exit(3), .fail)]
        spec.files = [TaskFile(path: "a", mode: 0o600, data: [1])]
        return spec
    }()

    @Test func `The document is as it ever was, byte for byte`() {
        let plain: BSONDocument = [
            "v": 1, "ready": true, "priority": 0, "attempt": 0, "max_failures": 3, "failures": 0, "interruptions": 0,
            "lost": 0,
        ]
        #expect(TaskSpec(script: "pass").hubDocument().bytes == plain.bytes)
        let full: BSONDocument = [
            "v": 1, "ready": false, "priority": -5, "attempt": 0, "max_failures": 4, "failures": 0, "interruptions": 0,
            "lost": 0, "not_before": .dateTime(BSONDateTime(millisecondsSince1970: 1)), "hold": true,
            "interpreter": "python3 -O", "backoff": 0.0, "rules": [["exit": 3, "then": "fail"]], "timeout": 1.5,
            "stall": 2.0, "deadline": .dateTime(BSONDateTime(millisecondsSince1970: 2)), "grace": 3.0,
            "files": [["path": "a", "mode": 0o600, "data": .binary(BSONBinary(bytes: [1]))]],
        ]
        #expect(Self.all.hubDocument().bytes == full.bytes)
    }

    @Test func `What was written is read, and what is of another type counts as not given`() throws {
        let hub = Self.all.hubDocument()
        let record = TaskRecord(["hub": .document(hub)])
        #expect(record.options == Self.all.options)
        #expect(try record.checkedOptions() == Self.all.options)
        #expect(record.stall == .seconds(2) && record.isHeld && record.options.files.count == 1)
        let odd = BSONDocument(elements: hub.map { ($0.key, .regularExpression(BSONRegularExpression(pattern: "x"))) })
        #expect(TaskRecord(["hub": .document(odd)]).options == TaskOptions())
    }

    @Test func `A text of other bytes is another option, and its task does not share the document before it`()
        async throws
    {
        try await withTestHub { hub in
            var specs: [TaskSpec] = []
            for accent in ["\u{e9}", "e\u{301}"] {
                for change: (inout TaskSpec) -> Void in [
                    { $0.interpreter = accent }, { $0.rules = [FailureRule(.output(accent), .fail)] },
                ] {
                    var spec = TaskSpec(script: "pass")
                    change(&spec)
                    specs.append(spec)
                }
            }
            specs.swapAt(1, 2)
            for (id, spec) in zip(try await hub.createTasks(specs), specs) {
                let stored = try await hub.task(id).options
                #expect(stored.interpreter?.bytes == spec.interpreter?.bytes)
                #expect(stored.rules.map(\.text.bytes) == spec.rules.map(\.text.bytes))
            }
        }
    }
}
