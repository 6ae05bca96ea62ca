import BSON
import MongoDriver

extension Hub {
    /// What this database's tasks are told apart by from those of any other database, however it is connected to: the
    /// UUID of collection `Task`. Empty where there is no such collection yet.
    package func identity() async throws(HubError) -> String { try await identity(of: tasks.name) }

    /// The UUID of a collection.
    func identity(of collection: String) async throws(HubError) -> String {
        try await translatingErrors { () async throws(MongoError) in
            let reply = try await database.runCommand(
                ["listCollections": 1, "filter": ["name": .string(collection)]],
                isIdempotent: true
            )
            let info = reply.value(atPath: "cursor.firstBatch")?.arrayValue?.first?.documentValue?["info"]?
                .documentValue
            return info?["uuid"]?.binaryValue.map { Hexadecimal.text($0.bytes) } ?? ""
        }
    }
}
