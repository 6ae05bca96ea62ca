import BSON
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

/// A script can write to its outbox itself: whole records, with the right checksum and with names of its choice.
@Suite(.timeLimit(.minutes(30))) struct ForgedRecordTests {
    @Test(arguments: ["..", "../..", ".", "", "/", "a/../..", "./..", "../kept", "\u{0}", "outside/"])
    func `A record whose folder leads out of the kept files stores nothing and removes nothing`(
        folder: String
    ) async throws {
        try await withAttempt { attempt in
            let kept = attempt.directory.keptPath
            mkdir(kept, 0o700)
            // Files under the name that the first file of a record has, in every folder that could be meant.
            let folders = [kept, attempt.directory.journalPath, attempt.directory.path]
            for folder in folders { try writeFile("\(folder)/0", "secret") }
            let delivery = attempt.delivery()
            let forged: BSONDocument = [
                "id": .objectID(ObjectID()), "name": "forged", "tags": [:], "kind": "file", "folder": .string(folder),
                "files": [["path": "weights", "mode": 0o644]],
            ]
            let isDone = try await attempt.deliver(delivery) {
                try await delivery.append([
                    OutboxRecord(kind: .dataSet, payload: forged), OutboxRecord(kind: .model, payload: forged),
                    attempt.log(1),
                ])
            }
            #expect(isDone)
            try await expectNothingStored(attempt)
            for folder in folders { #expect(access("\(folder)/0", F_OK) == 0, "\(folder)") }
        }
    }

    @Test(arguments: ["../secret", "a/../../secret", "/etc/hostname", "./../secret", ".."])
    func `A checkpoint whose file leads out of its folder stores nothing`(path: String) async throws {
        try await withAttempt { attempt in
            let secret = "\(attempt.directory.path)/secret"
            try writeFile(secret, "secret")
            mkdir("\(attempt.directory.checkpointPath)/a", 0o700)
            let delivery = attempt.delivery()
            let payload: BSONDocument = [
                "id": .objectID(ObjectID()), "name": "forged", "tags": [:], "kind": "file",
                "folder": .string(AttemptDirectory.checkpointName), "number": 1, "declared": true,
                "files": [["path": .string(path), "mode": 0o644]],
            ]
            let isDone = try await attempt.deliver(delivery) {
                try await delivery.append([
                    OutboxRecord(kind: .dataSet, payload: payload), OutboxRecord(kind: .checkpoint, payload: payload),
                    attempt.log(1),
                ])
            }
            #expect(isDone && access(secret, F_OK) == 0)
            try await expectNothingStored(attempt)
        }
    }

    /// The log entry behind the forged records is there, and no byte of any file.
    private func expectNothingStored(_ attempt: DeliveryFixture) async throws {
        let database = attempt.hub.database
        #expect(try await database.collection("TrainLog").findAll([:]).count == 1)
        for bucket in BlobBucket.allCases {
            #expect(try await database.collection(bucket.rawValue + ".chunks").findAll([:]).isEmpty, "\(bucket)")
        }
    }
}
