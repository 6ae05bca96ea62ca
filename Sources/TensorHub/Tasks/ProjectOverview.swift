public import BSON

/// How a project stands: what there is, what runs, what failed lately, who runs it and what waits longest.
public struct ProjectOverview: Sendable {
    /// Failed tasks that failed alike.
    public struct Failures: Sendable, Hashable {
        /// The last line of what their scripts printed, else the message.
        public var reason: String
        public var count: Int
        /// The latest of them.
        public var latest: ObjectID
        /// Its number.
        public var number: Int?
    }

    public var counts: [TaskStatus: Int]
    /// Those that run, the longest first, at most `ProjectOverview.listed`.
    public var running: [TaskRecord]
    /// What failed within the window, the most frequent first.
    public var failures: [Failures]
    /// Whether more failed than were looked at.
    public var isFailureCountCapped: Bool
    public var runners: [RunnerRecord]
    /// The pending task that waits longest, and why.
    public var oldest: TaskExplanation?
    /// The server's.
    public var time: BSONDateTime

    /// Tasks that are listed.
    public static let listed = 50
    /// Failed tasks that are looked at.
    public static let examined = 5000
}

extension TaskFailure {
    /// What tells failures apart: the last line that the script printed, as of a traceback, where it failed by itself;
    /// else the message.
    public var reason: String {
        guard Self.spokenKinds.hasBytes(of: kind), let tail else { return message }
        let line = tail.bytes.split(separator: "\n").last { line in
            line.text.utf8.contains { $0 > 0x20 }
        }
        return line?.text ?? message
    }

    /// Failures of which the script's own last words say most.
    private static let spokenKinds = ["exit-status", "missing-result"]

    /// ``reason`` of a task's `hub.error`, by the server.
    static let reasonExpression: BSONValue = [
        "$let": [
            "vars": [
                "lines": [
                    "$filter": [
                        "input": ["$split": [["$cond": [isSpoken, "$hub.error.tail", ""]], "\n"]], "as": "line",
                        "cond": ["$ne": [["$trim": ["input": "$$line", "chars": .string(blanks)]], ""]],
                    ]
                ]
            ],
            "in": [
                "$cond": [
                    ["$eq": ["$$lines", []]], ["$ifNull": ["$hub.error.message", ""]],
                    ["$arrayElemAt": ["$$lines", -1]],
                ]
            ],
        ]
    ]

    private static let isSpoken: BSONValue = [
        "$and": [
            ["$eq": [["$type": "$hub.error.tail"], "string"]],
            ["$in": ["$hub.error.kind", .array(spokenKinds.map(BSONValue.string))]],
        ]
    ]

    private static let blanks = String(String.UnicodeScalarView((0...0x20).compactMap { Unicode.Scalar($0) }))
}
