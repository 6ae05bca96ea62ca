public import BSON

/// A task as it is stored. Every reading is tolerant: a field of another type, which any program may have written,
/// reads as absent; `document` has the truth.
@dynamicMemberLookup
public struct TaskRecord: Sendable, Hashable {
    /// The whole document, or what the projection left of it.
    public let document: BSONDocument
    private let hub: BSONDocument

    public init(_ document: BSONDocument) {
        self.document = document
        hub = document["hub"]?.documentValue ?? [:]
    }

    /// `nil` where another program chose an identifier of another type; such a task cannot be run here.
    public var id: ObjectID? { document["_id"]?.objectIDValue }
    /// What people call it by: unique in the database. `nil` of a task that no version that counts has written or
    /// adopted.
    public var number: Int? { hub["number"]?.intValue.flatMap { $0 > 0 ? $0 : nil } }
    /// The number of the first task of the call that created it.
    public var submit: Int? {
        number.flatMap { number in hub["submit"]?.intValue.flatMap { (1...number).contains($0) ? $0 : nil } }
    }
    /// Who created it: the name of an account, as the submitter's machine or program gave it.
    public var account: String? { hub["account"]?.stringValue }
    /// What it is called where people read: its number, else the digits of its identifier.
    public var label: String {
        number.map(String.init) ?? id?.description ?? document["_id"].map { $0.stringValue ?? "\($0)" } ?? ""
    }
    public var project: String? { document["project_name"]?.stringValue }
    public var name: String? { document["task_name"]?.stringValue }
    public var status: TaskStatus { TaskStatus(rawValue: document["status"]?.stringValue ?? "") }
    /// When it was created, by the server's clock.
    public var time: BSONDateTime? { document["time"]?.dateTimeValue }
    public var script: [UInt8]? { document["script"]?.binaryValue?.bytes }
    /// What the script's file was called where it was submitted.
    public var scriptName: String? { hub["script_name"]?.stringValue }
    public var hyperParameters: BSONDocument? { document["hyper_parameters"]?.documentValue }
    public var savedResultKeys: [String]? {
        document["saved_result_keys"]?.arrayValue?.compactMap(\.stringValue)
    }

    /// What the script left behind; empty until the task is finished.
    public var result: BSONDocument { document["result"]?.documentValue ?? [:] }

    /// The result as a type of the caller's.
    ///
    /// - Throws: `DecodingError` that names the key.
    public func result<Value: Decodable>(as type: Value.Type) throws -> Value {
        try BSONDecoder().decode(type, from: result)
    }

    /// The free tags: everything at the top level that is not a field of TensorHub's own.
    public var tags: BSONDocument {
        BSONDocument(
            elements: document.filter { !TaskSpec.reservedNames.contains($0.key.bytes) }.map { ($0.key, $0.value) }
        )
    }

    /// How it is to be run.
    public var options: TaskOptions { TaskOptions(hub: hub) }

    /// One of ``options``. The files are copied for nobody who does not ask for them.
    public subscript<Value>(dynamicMember option: KeyPath<TaskOptions, Value>) -> Value {
        TaskOptions(hub: hub, withFiles: option == \TaskOptions.files)[keyPath: option]
    }

    public var priority: Int { hub["priority"]?.intValue ?? 0 }
    /// The number of the latest attempt; 0 before the first.
    public var attempt: Int { hub["attempt"]?.intValue ?? 0 }
    /// The latest attempt; `nil` where `id` is.
    public var attemptID: AttemptID? { id.map { AttemptID(task: $0, number: attempt) } }
    public var failures: Int { hub["failures"]?.intValue ?? 0 }
    public var maxFailures: Int { max(1, hub["max_failures"]?.intValue ?? Int(TaskSpec.defaultMaxFailures)) }
    /// Attempts that ended by no fault of the script; `lost` of them because nobody knows how.
    public var interruptions: Int { hub["interruptions"]?.intValue ?? 0 }
    public var lost: Int { hub["lost"]?.intValue ?? 0 }
    /// Names of runners that are not to take it again.
    public var avoided: [String] { hub["avoid"]?.arrayValue?.compactMap(\.stringValue) ?? [] }
    /// Machines that do not have what it needs, and are not to take it again.
    public var lacks: [HostLack] {
        hub["lacks"]?.arrayValue?.compactMap { $0.documentValue.flatMap(HostLack.init) } ?? []
    }
    public var isHeld: Bool { hub["hold"]?.boolValue ?? false }
    /// When the latest attempt began, and when it ended, by the server's clock.
    public var started: BSONDateTime? { hub["started"]?.dateTimeValue }
    public var ended: BSONDateTime? { hub["ended"]?.dateTimeValue }
    public var cancelRequested: Bool { hub["cancel"] != nil }
    public var lease: Lease? { hub["lease"]?.documentValue.flatMap(Lease.init) }
    /// What the script of a running attempt has last said.
    public var progress: ReportedProgress? { hub["progress"]?.documentValue.map(ReportedProgress.init) }
    /// The task that it is a changed copy of.
    public var origin: ObjectID? { hub["rerun_of"]?.objectIDValue }
    /// What the next attempt begins with, on any runner.
    public var checkpoint: TaskCheckpoint? { hub["checkpoint"]?.documentValue.flatMap(TaskCheckpoint.init) }
    public var error: TaskFailure? { hub["error"]?.documentValue.map(TaskFailure.init) }
    /// The last 50 attempts, oldest first.
    public var history: [AttemptRecord] {
        hub["history"]?.arrayValue?.compactMap(\.documentValue).map(AttemptRecord.init) ?? []
    }

    /// The document without the bytes of the script and of the files.
    package var withoutBlobs: BSONDocument {
        var result = document
        result["script"] = nil
        if var hub = result["hub"]?.documentValue, hub["files"] != nil {
            hub["files"] = nil
            result["hub"] = .document(hub)
        }
        return result
    }

    /// ``options`` for whoever runs it.
    ///
    /// - Throws: `HubError.invalidInput` where a file cannot be used.
    package func checkedOptions() throws(HubError) -> TaskOptions {
        var options = TaskOptions(hub: hub, withFiles: false)
        guard let stored = hub["files"], stored != .null else { return options }
        guard let entries = stored.arrayValue else {
            throw .invalid("hub.files", "hub.files is of type \(stored.type); it must be an array of files")
        }
        for entry in entries { options.files.append(try TaskFile(stored: entry)) }
        return options
    }
}
