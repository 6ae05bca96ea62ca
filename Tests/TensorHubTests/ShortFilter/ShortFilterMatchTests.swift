import BSON
import TensorHub
import TestSupport
import Testing

/// What a short filter finds on a real MongoDB.
@Suite struct ShortFilterMatchTests {
    /// A project with tasks that are numbered from 0.
    private struct Numbered {
        let hub: Hub

        /// The numbers of those that match, in their order.
        func callAsFunction(_ text: String) async throws -> [Int] {
            let found = try await hub.findTasks(try Filter(short: text))
            return found.compactMap { $0.time.map { Int($0.millisecondsSince1970) } }
        }
    }

    /// Stores tasks and lends what finds them.
    private func withTasks(_ documents: [BSONDocument], _ body: (Numbered) async throws -> Void) async throws {
        try await withTestHub { hub in
            for (number, extra) in documents.enumerated() {
                var document: BSONDocument = [
                    "_id": .objectID(ObjectID()), "project_name": .string(hub.project), "status": "finished",
                    "time": .dateTime(BSONDateTime(millisecondsSince1970: Int64(number))), "hyper_parameters": [:],
                    "script": .binary(BSONBinary(bytes: Array("secret word".utf8))), "result": [:], "hub": ["v": 1],
                ]
                for (key, value) in extra { document[key] = value }
                try await hub.insertForeignTask(document)
            }
            try await body(Numbered(hub: hub))
        }
    }

    @Test func `A result counts before a tag, and a tag before a hyper-parameter`() async throws {
        try await withTasks([
            ["result": ["x": 1], "x": 9, "hyper_parameters": ["x": 9]],
            ["result": ["x": 9], "x": 1, "hyper_parameters": ["x": 1]],
            ["x": 1, "hyper_parameters": ["x": 9]], ["x": 9, "hyper_parameters": ["x": 1]],
            ["hyper_parameters": ["x": 1]], ["hyper_parameters": ["x": 9]], [:],
            ["result": ["x": nil], "x": 1], ["x": nil, "hyper_parameters": ["x": 1]],
        ]) { (find: Numbered) async throws in
            #expect(try await find("x<5") == [0, 2, 4])
            #expect(try await find("x=9") == [1, 3, 5])
            #expect(try await find("x!=9") == [0, 2, 4, 7, 8])
            #expect(try await find("x=null") == [6, 7, 8])
            #expect(try await find("x!=null") == [0, 1, 2, 3, 4, 5])
            #expect(try await find("x=*") == [0, 1, 2, 3, 4, 5, 7, 8])
            #expect(try await find("x!=*") == [6])
            #expect(try await find("result.x=9") == [1])
            #expect(try await find("tag.x=9") == [0, 3])
            #expect(try await find("parameter.x=9") == [0, 2, 5])
        }
    }

    @Test func `Numbers are compared with numbers and texts with texts, and NaN is below nothing`() async throws {
        try await withTasks([
            ["x": 5], ["x": .int64(5)], ["x": 5.0], ["x": "5"], ["x": .double(.nan)], ["x": true], ["x": -1],
            ["x": .double(-.infinity)], ["x": ["y": 1]], ["x": [7, 5]], ["x": "b"],
        ]) { (find: Numbered) async throws in
            #expect(try await find("x=5") == [0, 1, 2, 9])
            #expect(try await find("x=\"5\"") == [3])
            #expect(try await find("x<6") == [0, 1, 2, 6, 7, 9])
            #expect(try await find("x>=5") == [0, 1, 2, 9])
            #expect(try await find("x=NaN") == [4])
            #expect(try await find("x=true") == [5])
            #expect(try await find("x.y=1") == [8])
            #expect(try await find("x>\"a\"") == [10])
            #expect(try await find("x>-2 x<0") == [6])
        }
    }

    @Test func `Names are their bytes, and a star stands for anything, line breaks too`() async throws {
        let (composed, decomposed) = ("caf\u{E9}", "cafe\u{301}")
        try await withTasks([
            ["task_name": .string(composed)], ["task_name": .string(decomposed)], ["task_name": "mnist.1"],
            ["task_name": "mnistx1"], ["task_name": "a\nb"], ["task_name": "a\n"], ["task_name": "a*b"], [:],
        ]) { (find: Numbered) async throws in
            #expect(try await find("name:\(composed)") == [0])
            #expect(try await find("name:\(decomposed)") == [1])
            #expect(try await find("name:*\u{E9}") == [0])
            #expect(try await find(composed) == [0])
            #expect(try await find("CAF\u{C9}") == [0])
            #expect(try await find("name:caf*") == [0, 1])
            #expect(try await find("name:mnist.*") == [2])
            #expect(try await find("name:*x1") == [3])
            #expect(try await find("name:a*b") == [4, 6])
            #expect(try await find("name:\"a*b\"") == [6])
            #expect(try await find("name:*a") == [])
            #expect(try await find("name:*") == [0, 1, 2, 3, 4, 5, 6])
        }
    }

    @Test func `Words are looked for in names and in tags that are texts or lists of texts, and nowhere else`()
        async throws
    {
        try await withTasks([
            ["task_name": "My-Baseline"], ["description": "the baseline of May"], ["labels": ["x", "baseline", 3]],
            ["baseline": "no"], ["hyper_parameters": ["a": "baseline"]], ["result": ["a": "baseline"]],
            ["note": ["a": "baseline"]], ["status": "baseline"], ["note": 5], ["note": "a.b (c) $x \"q\""],
            ["project_name": "baseline"],
        ]) { (find: Numbered) async throws in
            #expect(try await find("baseline") == [0, 1, 2])
            #expect(try await find("BASELINE may") == [1])
            #expect(try await find("\"baseline of\"") == [1])
            #expect(try await find("base*may") == [1])
            #expect(try await find("a.b") == [9])
            #expect(try await find("axb") == [])
            #expect(try await find("$x (c)") == [9])
            #expect(try await find("\"\\\"q\\\"\"") == [9])
            #expect(try await find("secret") == [])
        }
    }

    @Test func `States, hosts and ages are those of the task`() async throws {
        try await withTasks([
            ["status": "failed", "hub": ["history": [["host": "gpu-1"], ["host": "gpu-2"]]]],
            ["status": "pending"], ["time": "yesterday"],
        ]) { (find: Numbered) async throws in
            let hub = find.hub
            let id = try await hub.createTask(TaskSpec(name: "new", script: "pass"))
            #expect(try await find("state:failed,pending").count == 3)
            #expect(try await find("state:failed host:gpu-2") == [0])
            #expect(try await find("runner:gpu*") == [0])
            #expect(try await hub.findTasks(try Filter(short: "age<1h")).map(\.id) == [id])
            #expect(try await find("age>1h") == [0, 1])
            #expect(try await hub.findTasks(try Filter(short: "id:\(id)")).map(\.id) == [id])
            #expect(try await find("age<1h state:failed") == [])
            // What changes takes it too.
            #expect(try await hub.cancelTasks(TaskSelection(filter: try Filter(short: "new age<1h"))) == 1)
            #expect(try await hub.deleteTasks(TaskSelection(filter: try Filter(short: "new state:cancelled"))) == 1)
        }
    }

    @Test func `Fifty words of a thousand bytes are a filter that the server takes`() async throws {
        try await withTasks([[:]]) { (find: Numbered) async throws in
            let word = String(repeating: "*a", count: 490)
            #expect(try await find(Array(repeating: word, count: 50).joined(separator: " ")) == [])
            let deep = Array(repeating: "a", count: 90).joined(separator: ".")
            #expect(try await find("\(deep)=1") == [])
        }
    }
}
