import BSON

/// What the conditions of a short filter can be about, for one kind of documents.
struct ShortVocabulary: Sendable {
    /// In the plural, for messages.
    let noun: String
    /// The field of the name; `nil`: they have none.
    let nameField: String?
    /// What stands before a colon.
    let fields: [String]
    /// Words that lead to one place, and the path that each stands for; the top level has the path "".
    let places: [(word: String, path: String)]
    /// The paths below which a bare name is looked for, in this order.
    let chain: [String]
    /// Fields of the top level that are TensorHub's own.
    let reserved: Set<ByteString>

    static func of(_ subject: ShortFilter.Subject) -> ShortVocabulary {
        switch subject {
        case .tasks: tasks
        case .dataSets: dataSets
        case .models: models
        case .logs: logs
        }
    }

    static let tasks = ShortVocabulary(
        noun: "tasks",
        nameField: "task_name",
        fields: ["state", "status", "name", "id", "host", "runner", "age"],
        places: [
            ("result.", "result."), ("tag.", ""), ("parameter.", "hyper_parameters."),
            ("hyper_parameters.", "hyper_parameters."), ("hub.", "hub."),
        ],
        chain: ["result.", "", "hyper_parameters."],
        reserved: TaskSpec.reservedNames
    )
    static let dataSets = ShortVocabulary(
        noun: "data sets",
        nameField: "dataset_name",
        fields: ["name", "id", "task", "age"],
        places: [("tag.", ""), ("hub.", "hub.")],
        chain: [""],
        reserved: DataSetRecord.reservedNames
    )
    static let models = ShortVocabulary(
        noun: "models",
        nameField: "model_name",
        fields: ["name", "id", "task", "age"],
        places: [("tag.", ""), ("architecture.", "architecture."), ("hub.", "hub.")],
        chain: [""],
        reserved: ModelRecord.reservedNames
    )
    static let logs = ShortVocabulary(
        noun: "log entries",
        nameField: nil,
        fields: ["id", "task", "age"],
        places: [("value.", ""), ("hub.", "hub.")],
        chain: [""],
        reserved: LogEntry.reservedNames
    )

    private static let every = [tasks, dataSets, models, logs]

    /// Whether other documents have that field.
    static func isFieldOfOthers(_ field: ByteString) -> Bool {
        every.contains { $0.fields.hasBytes(of: field.text) }
    }

    /// Whether the path begins with a place that only other documents have.
    func isPlaceOfOthers(_ path: String) -> Bool {
        if places.contains(where: { path.bytes.hasPrefix($0.word.bytes) }) { return false }
        return Self.every.contains { $0.places.contains { path.bytes.hasPrefix($0.word.bytes) } }
    }

    /// `nil` for a condition about something that such documents never have.
    func document(of condition: ShortCondition) throws(HubError) -> BSONDocument? {
        switch condition {
        case .word(let word): search(for: word)
        case .field(let field, let value): try self.field(field, value)
        case .comparison(let name, let mark, let value): try comparison(name, mark, value)
        }
    }

    /// Looks for the text, whatever its capital letters, in the name and in the tags or values that are texts or lists
    /// of texts. Their names are free, so it is the server that goes through them.
    private func search(for word: ShortText) -> BSONDocument {
        func isText(_ value: BSONValue) -> BSONValue { ["$eq": [["$type": value], "string"]] }
        func matches(_ value: BSONValue) -> BSONValue {
            ["$regexMatch": ["input": value, "regex": ["$literal": .string(word.partPattern)], "options": "is"]]
        }
        let others = reserved.subtracting([nameField].compactMap { $0?.bytes }).sorted().map {
            BSONValue.string($0.text)
        }
        let item: BSONValue = ["$cond": [isText("$$item"), matches("$$item"), false]]
        let value: BSONValue = [
            "$switch": [
                "branches": [
                    ["case": ["$in": ["$$field.k", .array(others)]], "then": false],
                    ["case": isText("$$field.v"), "then": matches("$$field.v")],
                    [
                        "case": ["$isArray": ["$$field.v"]],
                        "then": ["$anyElementTrue": [["$map": ["input": "$$field.v", "as": "item", "in": item]]]],
                    ],
                ], "default": false,
            ]
        ]
        let fields: BSONValue = ["$map": ["input": ["$objectToArray": "$$ROOT"], "as": "field", "in": value]]
        return ["$expr": ["$anyElementTrue": [fields]]]
    }
}
