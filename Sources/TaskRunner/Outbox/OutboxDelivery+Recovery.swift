import Files
import Glibc
import Logging
import MongoDriver
import Synchronization
import TensorHub
import Threads

/// What is on the disk already: of an earlier runner, and of a script that has ended.
extension OutboxDelivery {
    /// Goes on with what an earlier runner has left. Where it throws, nothing can be appended before a later try, which
    /// `run()` makes, has succeeded.
    func recover() async throws {
        state.withLock { $0.mustRecover = true }
        // What was delivered, or what is to be tried again.
        defer { wake.yield() }
        try await pool.runIfActive { try self.recoverWhereNeeded() }
    }

    /// Blocks.
    private func recoverWhereNeeded() throws(FileError) {
        let result: Result<Void, FileError> = recovery.withLock { _ in
            guard state.withLock({ $0.mustRecover }) else { return .success(()) }
            do throws(FileError) {
                do throws(FileError) {
                    if try outbox.recover() { lost("What a script wrote is damaged or gone, and lost", [:]) }
                } catch {
                    // What is not the machine's fault stays as it is: a script has ruined the outbox.
                    if error.mayPass { throw error }
                    lost("What a script wrote is damaged or gone, and lost", ["error": "\(error)"])
                }
                let (delivered, end) = (outbox.delivered, outbox.end)
                // A folder tells nothing: its record may not have come to be written.
                var newest = 0
                var place = delivered
                while let batch = try outbox.next(after: place, limit: Self.batchLimit) {
                    newest = batch.records.lazy.compactMap(\.checkpointNumber).reduce(newest, max)
                    place = batch.end
                }
                state.withLock {
                    $0.delivered = delivered
                    $0.appended = end
                    $0.newestCheckpoint = newest
                    $0.mustDropUploads = delivered < end
                    $0.mustRecover = false
                }
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    /// Returns whether to go on.
    func recoverAgain() async -> Bool {
        guard state.withLock({ $0.mustRecover }) else { return true }
        let isDone: Void? = try? await persistence.untilAccepted(.growing) {
            try await pool.runIfActive { try self.recoverWhereNeeded() }
        } failed: { error, _ in
            if isLost() { throw error }
        }
        if isDone == nil { return false }
        logger.notice("What the script wrote before the restart can be read now")
        return true
    }

    /// Writes down what the Python client could not send. Blocks: for pool threads only. The script has ended.
    ///
    /// - Throws: Where the machine does not let it; `finish()` tells then that something is left. What the script
    ///   itself has ruined is lost.
    func take(_ requests: UnsentRequests) throws {
        state.withLock { $0.hasUntaken = true }
        try recoverWhereNeeded()
        var faults: [UnsentRequests.Fault] = []
        do {
            faults = try requests.take { records in
                let end = try outbox.append(records)
                state.withLock { $0.appended = max($0.appended, end) }
            }
        } catch let error as FileError where !error.mayPass {
            faults.append(UnsentRequests.Fault(message: "\(error)"))
        }
        state.withLock { $0.hasUntaken = false }
        for fault in faults {
            lost("What the script could not send cannot be used", ["error": "\(fault.message)"], fault.count)
        }
    }
}
