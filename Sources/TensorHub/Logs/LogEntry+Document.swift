package import BSON

extension Hub {
    /// The document of an entry, checked: what the journal of an attempt keeps and `insertLogs` writes.
    ///
    /// - Throws: `HubError.invalidInput` that names the field.
    package static func logDocument(
        _ values: BSONDocument,
        project: String,
        time: BSONDateTime,
        origin: AttemptID?
    ) throws(HubError) -> BSONDocument {
        try LogEntry.document(values, id: ObjectID(), project: project, time: time, hub: origin?.document)
    }

    /// The documents of entries that belong together: read back by time and `_id` they come in this order.
    ///
    /// - Throws: `HubError.invalidInput` that names the field and, for several entries, which of them.
    package static func logDocuments(
        _ values: [BSONDocument],
        project: String,
        time: BSONDateTime,
        origin: AttemptID?
    ) throws(HubError) -> [BSONDocument] {
        let hub = origin?.document
        let ids = ascendingIDs(values.count)
        var documents: [BSONDocument] = []
        documents.reserveCapacity(values.count)
        for (index, entry) in values.enumerated() {
            do {
                documents.append(
                    try LogEntry.document(entry, id: ids[index], project: project, time: time, hub: hub)
                )
            } catch {
                if values.count == 1 { throw error }
                throw HubError(.invalidInput, field: error.field, "log entry \(index + 1): \(error.message)")
            }
        }
        return documents
    }

    /// The counter of identifiers wraps around every 16 million, and a clock may be set back.
    static func ascendingIDs(_ count: Int, make: () -> ObjectID = { ObjectID() }) -> [ObjectID] {
        let ids = (0..<count).map { _ in make() }
        return zip(ids, ids.dropFirst()).allSatisfy { $0 < $1 } ? ids : ids.sorted()
    }
}

extension LogEntry {
    /// Levels of a document: what MongoDB stores and every driver reads.
    package static let deepest = 100

    /// The original's fields in the original's order, then ours.
    ///
    /// - Parameter id: Of an entry that brings none.
    /// - Throws: `HubError.invalidInput`: whatever passes is stored by every server, so that nothing blocks a journal.
    static func document(
        _ values: BSONDocument,
        id: ObjectID,
        project: String,
        time: BSONDateTime,
        hub: BSONDocument?
    ) throws(HubError) -> BSONDocument {
        try TaskSpec.validateKeys(of: values, at: "log")
        if values.bytes.count > TaskSpec.maximumTaskSize {
            throw .invalid(
                "log",
                "the log entry has \(values.bytes.count) bytes and the limit is \(TaskSpec.maximumTaskSize); "
                    + "save large values as a data set or a model"
            )
        }
        var own = id
        if let given = values["_id"] {
            guard let given = given.objectIDValue else {
                throw .invalid(
                    "log._id",
                    "log._id is \(given.extendedJSON()), which is no ObjectID; leave _id out, or give 24 hexadecimal "
                        + "digits as {\"$oid\": \"...\"}"
                )
            }
            own = given
        }
        var document = BSONDocument(minimumCapacity: values.bytes.count + project.utf8.count + 128)
        document.append("_id", .objectID(own))
        for (key, value) in values where key != "_id" {
            if reservedNames.contains(key.bytes) {
                throw .invalid(
                    "log.\(key)",
                    "log value '\(key)' is a field of TensorHub's own; choose another name"
                )
            }
            try TaskSpec.validateTop(key, value, at: "log")
            document.append(key, value)
        }
        document.append("project_name", .string(project))
        document.append("time", .dateTime(time))
        if let hub { document.append("hub", .document(hub)) }
        return document
    }
}
