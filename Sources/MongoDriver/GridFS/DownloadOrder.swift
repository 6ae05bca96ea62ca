import Synchronization
import Threads

/// The messages of one download: which is next, and the digest of what came, in order. Whoever brings the message whose
/// turn it is digests it, and those behind it that came before it, on the thread that it is on: no message is handed
/// from thread to thread. Nobody ever waits here on a thread.
final class DownloadOrder: Sendable {
    private let messages: Int
    /// Messages that are held at once, on the way or waiting for their turn.
    private let window: Int
    private let digest: (@Sendable (UnsafeRawBufferPointer) -> Void)?
    private let state = Mutex(State())

    private struct State {
        /// The first that nobody has taken yet.
        var next = 0
        /// Taken, and given back because they did not come.
        var returned: [Int] = []
        var digested = 0
        var isDigesting = false
        var waiting: [Int: ChunkReply] = [:]
        var hasEnded = false
        /// Of those who wait until it is otherwise; there is none unless somebody does.
        var change: Signal<Void>?
    }

    /// - Parameter digest: Is given every piece in order; `nil` where nothing is to be digested.
    init(messages: Int, window: Int, digest: (@Sendable (UnsafeRawBufferPointer) -> Void)?) {
        self.messages = messages
        self.window = window
        self.digest = digest
    }

    /// A message to bring; `nil` where there is none left, or as many are held as may be.
    func take() -> Int? {
        state.withLock { state in
            if let returned = state.returned.popLast() { return returned }
            guard isOpen(state) else { return nil }
            defer { state.next += 1 }
            return state.next
        }
    }

    /// Says that a message did not come; somebody takes it again.
    func giveBack(_ message: Int) {
        change { $0.returned.append(message) }
    }

    /// Says that a message came, and digests what is in order.
    func deliver(_ message: Int, _ reply: ChunkReply) throws {
        state.withLock { $0.waiting[message] = reply }
        while let next = beginDigest() {
            if let digest { try next.visit { content, _ in digest(content) } }
            change { state in
                state.isDigesting = false
                state.digested += 1
            }
        }
    }

    /// Lets go of everybody who waits: the download has failed.
    func end() {
        change { $0.hasEnded = true }
    }

    /// Waits until there may be a message to take.
    ///
    /// - Returns: Whether there will ever be one.
    func hasMore() async -> Bool {
        while true {
            let (hasMore, change) = state.withLock { state -> (Bool?, Signal<Void>) in
                let change = state.change ?? Signal()
                let hasMore = self.hasMore(state)
                if hasMore == nil { state.change = change }
                return (hasMore, change)
            }
            if let hasMore { return hasMore }
            await change.wait()
        }
    }

    /// Whether there is one to take, or will never be; `nil` where that is open.
    private func hasMore(_ state: borrowing State) -> Bool? {
        if state.hasEnded || state.digested == messages { return false }
        return !state.returned.isEmpty || isOpen(state) ? true : nil
    }

    private func isOpen(_ state: borrowing State) -> Bool {
        state.next < messages && state.next - state.digested < window
    }

    /// The message whose turn it is, where it is here and nobody digests.
    private func beginDigest() -> ChunkReply? {
        state.withLock { state in
            guard !state.isDigesting, let reply = state.waiting.removeValue(forKey: state.digested) else { return nil }
            state.isDigesting = true
            return reply
        }
    }

    private func change(_ body: (inout State) -> Void) {
        let change = state.withLock { state in
            body(&state)
            return state.change.take()
        }
        change?.set()
    }
}
