public import BSON

extension TaskSpec {
    /// Field names that are ours or TensorLayer's, and so cannot be tags.
    public static let reservedNames: Set<ByteString> = [
        "_id", "project_name", "task_name", "time", "hyper_parameters", "saved_result_keys", "status", "script",
        "result", "hub",
    ]

    /// Checks everything that the server or a runner would stumble over.
    ///
    /// - Throws: `HubError.invalidInput` that names the field and the fix.
    public func validate() throws(HubError) { try validate(after: nil) }

    /// - Parameter checked: A task whose options were found good. Most tasks that are created together have the same.
    package func validate(after checked: TaskSpec?) throws(HubError) {
        try validateScript()
        try Self.validateKeys(of: hyperParameters, at: "hyper_parameters")
        try Self.validate(tags: tags)
        if let name, name.isEmpty {
            throw .invalid("task_name", "the task name is empty; leave it out or give it a word")
        }
        var seen: Set<ByteString> = []
        for key in savedResultKeys {
            if key.isEmpty || key.utf8.contains(0) {
                throw .invalid(
                    "saved_result_keys",
                    "a saved result key is empty or holds a NUL character; name a value of the script"
                )
            }
            if key.bytes.hasPrefix("$") || key.bytes.contains(".") {
                throw .invalid(
                    "saved_result_keys",
                    "saved result key '\(key)' has a '.' or begins with '$'; rename the value"
                )
            }
            if !seen.insert(key.bytes).inserted {
                throw .invalid("saved_result_keys", "saved result key '\(key)' is given twice; give it once")
            }
        }
        if options != checked?.options { try options.validate() }
        try ArgumentTemplate.check(options, hyperParameters)
    }

    static func validate(tags: BSONDocument) throws(HubError) {
        try validateKeys(of: tags, at: "tags")
        for (key, value) in tags {
            if reservedNames.contains(key.bytes) {
                throw .invalid("tags.\(key)", "tag '\(key)' is a field of TensorHub's own; choose another name")
            }
            try validateTop(key, value, at: "tags")
        }
    }

    private func validateScript() throws(HubError) {
        if script.isEmpty, !options.command.isEmpty { return }
        if !options.command.isEmpty {
            throw .invalid("command", "a task is a script or a command; send a script that a command runs as a file")
        }
        try Self.checkByteOrderMark(script, interpreter: options.interpreter)
        if script.isEmpty {
            throw .invalid("script", "the script is empty; give a file with at least one line")
        }
        if script.count > Self.maximumScriptSize {
            throw .invalid(
                "script",
                "the script has \(script.count) bytes and the limit is \(Self.maximumScriptSize); "
                    + "move data out of it into files or a data set"
            )
        }
    }

    /// MongoDB stores other keys too, but no filter finds them.
    ///
    /// - Parameter depth: How many levels are above the document.
    static func validateKeys(of document: BSONDocument, at path: String, depth: Int = 0) throws(HubError) {
        if depth >= LogEntry.deepest {
            let root = path.bytes.cut(atFirst: ".")?.before ?? path
            throw .invalid(root, "\(root) is nested deeper than \(LogEntry.deepest) levels; flatten it")
        }
        if let key = document.repeatedKey {
            throw .invalid("\(path).\(key)", "key '\(key)' is in \(path) twice; give it once")
        }
        for (key, value) in document {
            if key.isEmpty {
                throw .invalid(path, "\(path) has an empty key; name it")
            }
            if key.bytes.hasPrefix("$") || key.bytes.contains(".") {
                throw .invalid("\(path).\(key)", "key '\(key)' in \(path) has a '.' or begins with '$'; rename it")
            }
            try validateKeys(of: value, at: "\(path).\(key)", depth: depth + 1)
        }
    }

    private static func validateKeys(of value: BSONValue, at path: String, depth: Int) throws(HubError) {
        switch value {
        case .document(let document): try validateKeys(of: document, at: path, depth: depth)
        case .array(let values):
            if depth >= LogEntry.deepest { try validateKeys(of: BSONDocument(), at: path, depth: depth) }
            for value in values { try validateKeys(of: value, at: path, depth: depth + 1) }
        default: break
        }
    }

    /// What a server would put something else in the place of: its own time for an empty time stamp at the top of a
    /// document.
    static func validateTop(_ key: String, _ value: BSONValue, at path: String) throws(HubError) {
        guard case .timestamp(let stamp) = value, stamp.seconds == 0, stamp.increment == 0 else { return }
        throw .invalid(
            "\(path).\(key)",
            "'\(key)' in \(path) is an empty time stamp, which MongoDB replaces by its own time; give a date or a number"
        )
    }

    /// The document to insert: the original's fields in the original's order, then ours.
    ///
    /// - Parameter hub: `hubDocument()`; tasks that are created together mostly share it.
    /// - Throws: `HubError.invalidInput` where the document is larger than MongoDB takes.
    func document(
        id: ObjectID,
        project: String,
        time: BSONDateTime,
        hub: BSONDocument
    ) throws(HubError) -> BSONDocument {
        let size = script.count + hyperParameters.bytes.count + tags.bytes.count + hub.bytes.count
        var document = BSONDocument(minimumCapacity: size + 512)
        document.append("_id", .objectID(id))
        for (key, value) in tags { document.append(key, value) }
        if let name { document.append("task_name", .string(name)) }
        document.append("project_name", .string(project))
        document.append("time", .dateTime(time))
        document.append("hyper_parameters", .document(hyperParameters))
        document.append("saved_result_keys", .array(savedResultKeys.map(BSONValue.string)))
        document.append("status", .string(TaskStatus.pending.rawValue))
        document.append("script", .binary(BSONBinary(bytes: script.isEmpty ? options.commandText : script)))
        document.append("result", [:])
        document.append("hub", .document(hub))
        if document.bytes.count > Self.maximumTaskSize {
            throw .invalid(
                "files",
                "the task has \(document.bytes.count) bytes and the limit is \(Self.maximumTaskSize); "
                    + "attach fewer or smaller files, or shorten the hyper-parameters"
            )
        }
        return document
    }

    /// What would be stored, without what is given at that moment, the script, and the bytes of files.
    package func preview(project: String) -> BSONDocument {
        let hub = hubDocument()
        let found = try? document(
            id: ObjectID(),
            project: project,
            time: BSONDateTime(millisecondsSince1970: 0),
            hub: hub
        )
        var document = TaskRecord(found ?? [:]).withoutBlobs
        document["_id"] = nil
        document["time"] = nil
        return document
    }

    /// Whether `hubDocument` is the same.
    func sharesHub(with other: TaskSpec) -> Bool {
        options == other.options && origin == other.origin && scriptName?.bytes == other.scriptName?.bytes
    }

    /// The fields of ours: those that every task has, then the options that were given.
    func hubDocument() -> BSONDocument {
        let version = options.version
        var hub: BSONDocument = [
            "v": .int32(version),
            "ready": TaskStatements.mark(isReady: !options.hold && options.notBefore == nil, version: version),
            "priority": .int32(0),
            "attempt": .int32(0), "max_failures": .int32(Self.defaultMaxFailures), "failures": .int32(0),
            "interruptions": .int32(0), "lost": .int32(0),
        ]
        for option in TaskOption.all {
            if let value = option.stored(options) { hub[option.name] = value }
        }
        if let scriptName { hub.append("script_name", .string(scriptName)) }
        if let origin { hub.append("rerun_of", .objectID(origin)) }
        return hub
    }
}
