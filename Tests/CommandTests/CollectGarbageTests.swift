import BSON
import MongoDriver
import TensorHub
import Testing

@Suite struct CollectGarbageTests {
    @Test func saysWhatWouldGoThenDeletesThat() async throws {
        try await withCommands { fixture in
            try await fixture.hub.saveDataSet(.bytes(noise(1000), as: "f"), name: "kept")
            let chunks = fixture.hub.database.collection("datasetFilesystem.chunks")
            try await chunks.insertOne([
                "_id": .objectID(ObjectID(bytes: [UInt8](repeating: 1, count: 12)) ?? ObjectID()),
                "files_id": .objectID(ObjectID(bytes: [UInt8](repeating: 1, count: 12)) ?? ObjectID()), "n": 0,
                "data": .binary(BSONBinary(bytes: [1])),
            ])
            let dry = try await fixture.run("gc", "--dry-run", "--json")
            let reports = try BSONValue(extendedJSON: dry.output).arrayValue?.compactMap(\.documentValue) ?? []
            let report = reports.first { $0["bucket"] == "datasetFilesystem" }
            #expect(report?.value(atPath: "orphans.0.chunks") == 1, "\(dry.output)")
            #expect(try await chunks.countDocuments() == 2)
            try await fixture.hub.database.collection("TaskOutput").insertOne([
                "task_id": .objectID(ObjectID()), "attempt": 1, "seq": 0,
                "time": .dateTime(BSONDateTime(millisecondsSince1970: 0)),
            ])
            let lost = try await fixture.run("gc", "--dry-run", "--json").output
            #expect(lost.contains("\"TaskOutput\""), "\(lost)")
            let real = try await fixture.run("gc")
            #expect(real.status == 0 && real.lines.count == 3 && real.errors.hasPrefix("freed "), "\(real.errors)")
            #expect(try await chunks.countDocuments() == 1)
            #expect(try await fixture.run("gc").errors == "there is no garbage\n")
            #expect(try await fixture.run("gc", "--older-than", "x").status == 2)
        }
    }
}
