import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// Each statement that changes tasks, on a real MongoDB and a document of each state, held against the table of
/// `TaskStatus.after(_:)`: a task leaves its state only as the table allows, and wherever the statement is to carry the
/// transition out, it does.
@Suite(.timeLimit(.minutes(30))) struct TransitionTests {
    struct Statement: Sendable, CustomTestStringConvertible {
        var name: String
        /// Why tasks leave their state by it.
        var transitions: [TaskTransition] = []
        /// The only states that it takes of those the transitions start from; `nil` takes all.
        var from: [TaskStatus]?
        /// The states whose tasks it changes without ending the state.
        var touching: [TaskStatus] = []
        /// What makes a task one of those that the statement is about.
        var shape: @Sendable (inout TaskShape) -> Void = { _ in }
        /// Runs it as the runner that holds the leases of these attempts.
        var run: @Sendable (RunnerSession, [AttemptID]) async throws -> Void

        var testDescription: String { name }

        func next(_ status: TaskStatus) -> TaskStatus? {
            if let from, !from.contains(status) { return nil }
            return transitions.lazy.compactMap { status.after($0) }.first
        }
    }

    /// A task with all that a state may go by, the same in each.
    struct TaskShape: Sendable {
        var top: BSONDocument = [
            "script": .binary(BSONBinary(bytes: [1])), "hyper_parameters": [:], "saved_result_keys": [], "result": [:],
        ]
        var hub: BSONDocument = [
            "v": 1, "ready": true, "priority": 0, "attempt": 1, "max_failures": 3, "failures": 0, "interruptions": 0,
            "lost": 0,
        ]
        var expires = BSONDateTime(millisecondsSince1970: 4_000_000_000_000)
        var isLeased = true
        /// Whether nothing more finds room in it.
        var isFull = false
        var hasRepeatedKey = false

        func document(_ hub: Hub, _ id: ObjectID, _ status: TaskStatus, runner: ObjectID) -> BSONDocument {
            var own = self.hub
            own.append("history", [["attempt": 1, "runner": .objectID(runner)]])
            if isLeased {
                own.append(
                    "lease",
                    [
                        "runner": .objectID(runner), "token": .objectID(ObjectID()), "expires": .dateTime(expires),
                    ]
                )
            }
            var elements: [(String, BSONValue)] = [
                ("_id", .objectID(id)), ("project_name", .string(hub.project)), ("status", .string(status.rawValue)),
                ("time", .dateTime(BSONDateTime(millisecondsSince1970: 1))), ("hub", .document(own)),
            ]
            elements += top.map { ($0.key, $0.value) }
            if hasRepeatedKey { elements += [("tag", 1), ("tag", 2)] }
            let document = BSONDocument(elements: elements)
            if !isFull { return document }
            // But for the element's own type, name, length and subtype.
            let room = TaskSpec.maximumDocumentSize - document.bytes.count - 14
            let ballast = BSONBinary(bytes: Array(repeating: 1, count: room))
            return BSONDocument(elements: elements + [("ballast", .binary(ballast))])
        }
    }

    private static let past = BSONValue.dateTime(BSONDateTime(millisecondsSince1970: 1_000))
    private static let failure = TaskFailure(kind: "exit-status", message: "exit status 1")

    private static func end(
        _ transition: AttemptEnd.Transition,
        _ name: String,
        _ table: TaskTransition,
        _ shape: @escaping @Sendable (inout TaskShape) -> Void = { _ in }
    ) -> Statement {
        Statement(name: "end: \(name)", transitions: [table], from: [.running], shape: shape) { session, attempts in
            _ = try await session.deliver(attempts.map { AttemptEnd($0, transition: transition, cause: "test") })
        }
    }

    private static func rescue(
        _ name: String,
        _ table: TaskTransition,
        _ shape: @escaping @Sendable (inout TaskShape) -> Void = { _ in }
    ) -> Statement {
        Statement(
            name: "rescue: \(name)",
            transitions: [table],
            from: [.running],
            shape: { task in
                task.expires = BSONDateTime(millisecondsSince1970: 1_000)
                shape(&task)
            },
            run: { session, _ in _ = try await session.rescue() }
        )
    }

    private static func queue(
        _ name: String,
        _ transitions: [TaskTransition] = [],
        touching: [TaskStatus] = [],
        _ shape: @escaping @Sendable (inout TaskShape) -> Void
    ) -> Statement {
        Statement(name: "queue: \(name)", transitions: transitions, touching: touching, shape: shape) { session, _ in
            _ = try await session.adoptAndPromote()
        }
    }

    private static let isCancelled: @Sendable (inout TaskShape) -> Void = { $0.hub["cancel"] = ["time": past] }
    private static let isLost: @Sendable (inout TaskShape) -> Void = { $0.hub["lost"] = 4 }

    static let ends: [Statement] = [
        end(.finish(result: ["x": 1]), "finished", .finish),
        end(.fail(failure), "failed", .fail),
        end(.minimalFailure, "failed without room", .fail) { $0.isFull = true },
        end(.retry(failure, delay: .zero), "tried again", .retry),
        end(.retry(failure, delay: .seconds(60)), "tried again later", .retry),
        end(.elsewhere(failure, HostLack(host: "a", what: "no x", attempt: 1)), "for another machine", .release),
        end(.retry(failure, delay: .zero), "tried again though cancelled", .cancel, isCancelled),
        end(.release(delay: nil), "released", .release),
        end(.release(delay: nil), "released though cancelled", .cancel, isCancelled),
        end(.cancelled, "cancelled", .cancel, isCancelled),
        end(.lost(failure), "lost", .lose),
        end(.lost(failure), "lost for the fifth time", .fail, isLost),
        end(.lost(failure), "lost though cancelled", .cancel, isCancelled),
    ]

    static let rescues: [Statement] = [
        rescue("lost", .lose),
        rescue("for the fifth time", .fail, isLost),
        rescue("though cancelled", .cancel, isCancelled),
        // Going back to the queue frees the lease's room; only the words of a failure may find none.
        rescue("for the fifth time, without room", .fail) { task in
            isLost(&task)
            task.isFull = true
        },
        Statement(
            name: "rescue: without a lease for long",
            transitions: [.lose],
            shape: { task in
                task.isLeased = false
                task.hub["unleased"] = past
            },
            run: { session, _ in _ = try await session.rescueUnleased(after: .seconds(60)) }
        ),
        Statement(
            name: "rescue: seen without a lease",
            touching: [.running],
            shape: { $0.isLeased = false },
            run: { session, _ in _ = try await session.rescueUnleased(after: .seconds(60)) }
        ),
    ]

    static let leases: [Statement] = [
        Statement(name: "claim", transitions: [.claim]) { session, _ in _ = try await session.claim(1) },
        Statement(name: "claim of several", transitions: [.claim]) { session, _ in _ = try await session.claim(9) },
        Statement(name: "claim of a task", transitions: [.claim]) { session, attempts in
            for attempt in attempts { _ = try await session.claim(id: attempt.task) }
        },
        Statement(
            name: "claim without room",
            transitions: [.reject],
            shape: { $0.isFull = true },
            run: { session, _ in _ = try await session.claim(1) }
        ),
        Statement(name: "renewal", touching: [.running]) { session, attempts in
            _ = try await session.hub.session(session.runner, lease: .seconds(1)).renew(Set(attempts))
        },
        Statement(name: "taking over", touching: [.running]) { session, attempts in
            let owned = Dictionary(uniqueKeysWithValues: attempts.map { ($0, [session.runner]) })
            _ = try await session.hub.session().takeOver(owned)
        },
        Statement(name: "progress", touching: [.running]) { session, attempts in
            let progress = ScriptProgress(fraction: 0.5, message: nil)
            try await session.setProgress(Dictionary(uniqueKeysWithValues: attempts.map { ($0, progress) }))
        },
        Statement(name: "checkpoint", touching: [.running]) { session, attempts in
            for attempt in attempts { _ = try? await session.storeCheckpoint([], of: attempt, isDeclared: true) }
        },
    ]

    static let queues: [Statement] = [
        queue("adopted", touching: [.pending]) { $0.hub["ready"] = nil },
        queue("that nobody can run", [.reject]) { task in
            task.hub["ready"] = nil
            task.top["script"] = nil
        },
        queue("foreign and without room", [.reject]) { task in
            task.hub["ready"] = nil
            task.isFull = true
        },
        queue("whose time has come", touching: [.pending]) { task in
            task.hub["ready"] = false
            task.hub["not_before"] = past
        },
        queue("that nobody took by its deadline", [.reject]) { $0.hub["deadline"] = past },
        Statement(
            name: "queue: with a key twice",
            transitions: [.reject],
            shape: { $0.hasRepeatedKey = true },
            run: { session, _ in try await session.putAsideRepeated(ClaimQuery()) }
        ),
        Statement(
            name: "end: of a task with a key twice",
            transitions: [.fail],
            shape: { $0.hasRepeatedKey = true },
            run: { session, attempts in
                try await session.putAsideRepeated(
                    attempts.map { AttemptEnd($0, transition: .cancelled, cause: "test") }
                )
            }
        ),
    ]

    static let people: [Statement] = [
        Statement(name: "cancelling", transitions: [.cancel], from: [.pending], touching: [.running]) { session, _ in
            _ = try await session.hub.cancelTasks(.all)
        },
        Statement(
            name: "cancelling what no runner of ours has",
            transitions: [.cancel],
            shape: { $0.isLeased = false },
            run: { session, _ in _ = try await session.hub.cancelTasks(.all) }
        ),
        Statement(name: "retrying by hand", transitions: [.retryByHand]) { session, _ in
            _ = try await session.hub.retryTasks(.all)
        },
        Statement(name: "holding", touching: [.pending]) { session, _ in _ = try await session.hub.holdTasks(.all) },
        Statement(
            name: "releasing",
            touching: [.pending],
            shape: { task in
                task.hub["ready"] = false
                task.hub["hold"] = true
            },
            run: { session, _ in _ = try await session.hub.releaseTasks(.all) }
        ),
    ]

    static let statements = ends + rescues + leases + queues + people

    @Test(arguments: statements)
    func `A statement takes a task from state to state only as the table of transitions says, and always then`(
        statement: Statement
    ) async throws {
        try await withTestHub { hub in
            let session = hub.session()
            let tasks = hub.database.collection("Task")
            var shape = TaskShape()
            statement.shape(&shape)
            let attempts = Dictionary(
                uniqueKeysWithValues: (TaskStatus.all + [TaskStatus(rawValue: "by hand")]).map {
                    ($0, AttemptID(task: ObjectID(), number: 1))
                }
            )
            var before: [TaskStatus: BSONDocument] = [:]
            for (status, attempt) in attempts {
                let document = shape.document(hub, attempt.task, status, runner: session.runner)
                try await tasks.insertOne(document)
                before[status] = document
            }
            try await statement.run(session, Array(attempts.values))
            for (status, attempt) in attempts {
                let after = try #require(try await tasks.findOne(["_id": .objectID(attempt.task)]))
                let next = statement.next(status)
                let word = after["status"]?.stringValue ?? ""
                #expect(word == (next ?? status).rawValue, "\(status) became \(word)")
                let isChanged = after != before[status]
                #expect(isChanged == (next != nil || statement.touching.contains(status)), "of \(status)")
            }
        }
    }

    @Test func `For every transition of the table, from each of its states, there is a statement that makes it`() {
        for transition in TaskTransition.allCases {
            for status in TaskStatus.all where status.after(transition) != nil {
                #expect(
                    Self.statements.contains { statement in
                        statement.transitions.contains(transition) && statement.next(status) != nil
                    },
                    "\(transition) of \(status)"
                )
            }
        }
    }
}
