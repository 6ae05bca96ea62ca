import BSON
import MongoDriver

extension Hub {
    /// How often a wait looks by itself: with change events only in case one is lost, without them to see anything.
    static let waitPoll: (withEvents: Duration, withoutEvents: Duration) = (.seconds(10), .seconds(1))
    /// A wait looks at most this often, however many events come.
    static let waitPause: Duration = .milliseconds(100)

    /// Waits until no task of the selection is pending or running.
    ///
    /// Woken by a change stream; on a standalone server, which has none, by polling.
    ///
    /// - Parameters:
    ///   - timeout: `nil` waits for ever.
    ///   - onProgress: Called with the first counts and whenever they change.
    /// - Returns: The counts at the end; a total of 0 where nothing matched.
    /// - Throws: `HubError.timeout` when the time has passed. Cancellation ends the wait with `CancellationError`.
    @discardableResult
    public func waitForTasks(
        _ selection: TaskSelection,
        timeout: Duration? = nil,
        onProgress: (@Sendable (TaskProgress) -> Void)? = nil
    ) async throws -> TaskProgress {
        try await expectIndexes()
        let (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await self.wakeOnChanges(wake) }
            if let timeout {
                group.addTask {
                    try await Task.sleep(for: timeout)
                    wake.finish()
                }
            }
            defer { group.cancelAll() }

            wake.yield()
            var last: TaskProgress?
            for await _ in wakes {
                if onProgress != nil {
                    let progress = TaskProgress(counts: try await countTasks(selection))
                    if progress != last { onProgress?(progress) }
                    last = progress
                    if progress.unfinished == 0 { return progress }
                } else if try await !hasUnfinishedTasks(selection) {
                    return TaskProgress(counts: try await countTasks(selection))
                }
                try await Task.sleep(for: Self.waitPause)
            }
            try Task.checkCancellation()
            let progress = TaskProgress(counts: try await countTasks(selection))
            if progress.unfinished == 0 { return progress }
            throw HubError(
                .timeout,
                "\(progress.unfinished) of \(progress.total) tasks are still unfinished after \(timeout ?? .zero)"
            )
        }
    }

    /// Yields at every change of a task's state, and at least at every poll, until cancelled.
    private func wakeOnChanges(_ wake: AsyncStream<Void>.Continuation) async {
        await withTaskGroup(of: Void.self) { group in
            let poll = await canWatch() ? Self.waitPoll.withEvents : Self.waitPoll.withoutEvents
            group.addTask {
                while !Task.isCancelled {
                    try? await Task.sleep(for: poll * Double.random(in: 0.8...1.2))
                    wake.yield()
                }
            }
            group.addTask {
                while !Task.isCancelled {
                    do {
                        for try await _ in self.watchTasks() { wake.yield() }
                        return
                    } catch {
                        // The poll goes on; a lost connection comes back.
                        if (error as? MongoError)?.code == .notReplicaSet { return }
                        try? await Task.sleep(for: Self.waitPoll.withoutEvents)
                        wake.yield()
                    }
                }
            }
        }
    }

    private func canWatch() async -> Bool {
        let hello = try? await database.runCommand(["hello": 1], isIdempotent: true)
        return hello?["setName"] != nil || hello?["msg"]?.stringValue == "isdbgrid"
    }

    /// Every change of a task's state, of any project; each event carries the identifier alone, never a script.
    private func watchTasks() -> ChangeStream {
        tasks.watch(
            [
                ["$match": ["updateDescription.updatedFields.status": ["$exists": true]]],
                ["$project": ["documentKey": 1]],
            ],
            ChangeStreamOptions(maxAwaitTime: .seconds(1))
        )
    }
}
