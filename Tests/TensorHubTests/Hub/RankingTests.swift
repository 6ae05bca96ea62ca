import BSON
import TensorHub
import TestSupport
import Testing

/// Of an order by a metric only numbers are the best, whatever else somebody has stored under its name.
@Suite struct RankingTests {
    private static let odd: [BSONValue] = [
        "n/a", "", true, false, [0.1], [], ["top1": 0.1], [:], .double(.nan), .null,
        .dateTime(BSONDateTime(millisecondsSince1970: 1)),
        .objectID(ObjectID()),
        .binary(BSONBinary(bytes: [1])), [.double(.nan), 2],
    ]

    @Test func `A model whose metric is no number is never the best, and a number comes before all that is none`()
        async throws
    {
        try await withTestHub { hub in
            for (index, value) in Self.odd.enumerated() {
                let name = "mlp\(index)"
                let metrics: [BSONValue] = [0.9, value, 0.5]
                for metric in metrics {
                    try await hub.saveModel(nil, name: name, tags: ["acc": metric])
                }
                try await hub.saveModel(nil, name: name)
                for (sort, expected) in [(Sort.descending("acc"), [1, 3]), (Sort.ascending("acc"), [3, 1])] {
                    let query = ContentQuery(name: name, sort: sort)
                    #expect(try await hub.findModel(query).version == expected[0], "\(value)")
                    let all = try await hub.findModels(query).map { $0.version ?? 0 }
                    #expect(all.prefix(2) == expected[...] && all.count == 4, "\(value)")
                    #expect(try await hub.findModels(query, limit: 3).map { $0.version ?? 0 } == Array(all.prefix(3)))
                }
            }
        }
    }

    @Test func `Infinity is a number, and texts alone have an order of their own`() async throws {
        try await withTestHub { hub in
            let metrics: [BSONValue] = [.double(0.9), .double(.infinity), .int64(.max)]
            for metric in metrics {
                try await hub.saveModel(nil, name: "mlp", tags: ["acc": metric])
            }
            #expect(try await hub.findModel(ContentQuery(sort: .descending("acc"))).version == 2)
            for author in ["b", "a", "c"] {
                try await hub.saveModel(nil, name: "by", tags: ["author": .string(author)])
            }
            let byAuthor = ContentQuery(name: "by", sort: .ascending("author"))
            #expect(try await hub.findModels(byAuthor).map(\.version) == [2, 1, 3])
        }
    }

    @Test func `A task whose result is no number is never the first in an order by results`() async throws {
        try await withTestHub { hub in
            for value in Self.odd + [0.9, 0.5] {
                try await hub.insertForeignTask([
                    "project_name": "default", "status": "finished", "result": ["acc": value],
                ])
            }
            try await hub.insertForeignTask(["project_name": "default", "status": "pending"])
            let falling = try await hub.findTasks(sort: .descending("result.acc"))
            #expect(falling.count == Self.odd.count + 3)
            #expect(falling.prefix(2).map { $0.result["acc"] } == [0.9, 0.5])
            let rising = try await hub.findTasks(sort: .ascending("result.acc"), limit: 2)
            #expect(rising.map { $0.result["acc"] } == [0.5, 0.9])
        }
    }

    @Test func `An order by a field that no task has is refused, and names the one that was meant`() async throws {
        try await withTestHub { hub in
            _ = try await hub.createTask(TaskSpec(name: "t", script: Array("pass".utf8)))
            let error = await #expect(throws: HubError.self) { try await hub.findTasks(sort: .descending("priority")) }
            #expect(error?.field == "sort" && error?.suggestions == ["hub.priority"])
            #expect(try await hub.findTasks(sort: .descending("hub.priority")).count == 1)
            #expect(try await hub.findTasks(sort: .descending("result.acc")).count == 1)
        }
    }
}
