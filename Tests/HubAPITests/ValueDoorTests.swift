import BSON
import Synchronization
import TensorHub
import TestSupport
import Testing

@testable import HubAPI

/// Values of every kind go in by HTTP and come out equal, or are refused and nothing is stored.
/// `TENSORHUB_PROPERTY_COUNT` says how many, `TENSORHUB_PROPERTY_SEED` which.
@Suite struct ValueDoorTests {
    private struct Task {
        var name: String
        var parameters: BSONDocument
        var tags: BSONDocument

        init(_ values: inout ArbitraryValue) {
            name = values.text()
            parameters = values.document().withoutRepeatedKeys
            tags = values.document(ofPlainKeys: true).withoutRepeatedKeys
        }

        var request: BSONDocument {
            [
                "script": "pass", "script_path": "t.py", "name": .string(name),
                "hyper_parameters": .document(parameters), "tags": .document(tags), "hold": true,
            ]
        }
    }

    private func same(_ a: BSONDocument?, _ b: BSONDocument, _ mode: ExtendedJSONMode = .canonical) -> Bool {
        a.map { $0.extendedJSON(mode).utf8.elementsEqual(b.extendedJSON(mode).utf8) } ?? b.isEmpty
    }

    @Test func `Names, tags and hyper-parameters of tasks come back equal or are refused`() async throws {
        try await withDirectServer { fixture in
            var values = ArbitraryValue(door: "POST /v1/tasks")
            let count = ArbitraryValue.count(2000)
            var refused = 0
            var stored = 0
            for _ in stride(from: 0, to: count, by: 100) {
                let all = (0..<100).map { _ in Task(&values) }
                // All at once; where one is refused nothing of them is stored, and each goes alone.
                for tasks in [all] + all.map({ [$0] }) {
                    let body = BSONValue.array(tasks.map { .document($0.request) }).extendedJSON(.canonical)
                    let reply = try await fixture.client.send("POST", "/v1/tasks", body)
                    let isTaken = reply.status == 201
                    #expect(isTaken || (400..<500).contains(reply.status), "\(reply.status) \(reply.text)")
                    if isTaken {
                        let ids = reply.json["ids"]?.arrayValue?.compactMap(\.objectIDValue) ?? []
                        try #require(ids.count == tasks.count)
                        stored += ids.count
                        for (id, sent) in zip(ids, tasks) {
                            let task = try await fixture.hub.task(id)
                            #expect(task.name?.utf8.elementsEqual(sent.name.utf8) == true)
                            #expect(same(task.hyperParameters, sent.parameters) && same(task.tags, sent.tags))
                            if values.int(10) > 0 { continue }
                            let shown = try await fixture.client.send("GET", "/v1/tasks/\(id)").json
                            #expect(same(shown["hyper_parameters"]?.documentValue, sent.parameters, .relaxed))
                        }
                    } else if tasks.count == 1 {
                        refused += 1
                    }
                    #expect(try await fixture.hub.countTasks(.all).values.reduce(0, +) == stored)
                    if isTaken && tasks.count > 1 { break }
                }
            }
            #expect(stored + refused >= count && stored > count / 3, "\(stored) stored, \(refused) refused")
        }
    }

    @Test func `Values of log entries come back equal or are refused`() async throws {
        try await withDirectServer { fixture in
            var values = ArbitraryValue(door: "POST /v1/logs")
            let count = ArbitraryValue.count(2000)
            var sent: [BSONDocument] = []
            for _ in stride(from: 0, to: count, by: 50) {
                let all = (0..<50).map { _ in values.document().withoutRepeatedKeys }
                for entries in [all] + all.map({ [$0] }) {
                    let marked = entries.enumerated().map { index, entry in
                        BSONDocument(
                            elements: entry.map { ($0.key, $0.value) } + [
                                ("number", .init(smallest: sent.count + index))
                            ]
                        )
                    }
                    let body = BSONValue.array(marked.map(BSONValue.document)).extendedJSON(.canonical)
                    let reply = try await fixture.client.send("POST", "/v1/logs/training", body)
                    #expect(reply.status == 202 || (400..<500).contains(reply.status), "\(reply.status) \(reply.text)")
                    guard reply.status == 202 else { continue }
                    sent += marked
                    if entries.count > 1 { break }
                }
            }
            let stored = try await fixture.hub.logs(.training)
            try #require(stored.count == sent.count && sent.count > count / 3)
            let shown = try await fixture.client.send("GET", "/v1/logs/training").array
            try #require(shown.count == sent.count)
            for entry in stored + shown.map(LogEntry.init) {
                let number = try #require(entry.document["number"]?.intValue)
                var expected = sent[number]
                expected["_id"] = nil
                #expect(same(entry.values, expected, .relaxed), "\(expected) became \(entry.document)")
            }
        }
    }

    @Test func `Results of a script come back equal or are refused`() async throws {
        try await withAttemptServer { fixture, backend in
            var values = ArbitraryValue(door: "PUT /v1/results")
            for _ in 0..<ArbitraryValue.count(1000) {
                let document = values.document().withoutRepeatedKeys
                let before = backend.state.withLock { $0.results.count }
                let reply = try await fixture.client.send("PUT", "/v1/results", document.extendedJSON(.canonical))
                let results = backend.state.withLock { $0.results }
                if reply.status == 200 {
                    #expect(results.count == before + 1 && same(results.last, document))
                } else {
                    #expect((400..<500).contains(reply.status) && results.count == before)
                }
            }
        }
    }
}
