import CLibMongoC
import Synchronization

/// What libmongoc's monitors have seen of the servers, for those who ask whether trouble may pass.
final class ServerWatch: Sendable {
    private let answered = Atomic(false)
    private let counter = Atomic(0)

    /// Whether a member or a server ever answered as one that takes part.
    var hasAnswered: Bool { answered.load(ordering: .relaxed) }
    /// How often a server became something else: primary, secondary, away.
    var changes: Int { counter.load(ordering: .relaxed) }

    /// Has the pool's monitors tell this object, which must outlive the pool. Before the first client is taken.
    func attach(to pool: OpaquePointer) {
        let callbacks = mongoc_apm_callbacks_new()
        mongoc_apm_set_server_changed_cb(callbacks, serverChanged)
        mongoc_client_pool_set_apm_callbacks(pool, callbacks, Unmanaged.passUnretained(self).toOpaque())
        mongoc_apm_callbacks_destroy(callbacks)
    }

    fileprivate func note(_ before: String, _ after: String) {
        if before != after { counter.add(1, ordering: .relaxed) }
        // A ghost belongs to no set: it answers, and never elects anybody.
        if !["Unknown", "PossiblePrimary", "RSGhost"].contains(after) { answered.store(true, ordering: .relaxed) }
    }
}

/// Called by libmongoc on any thread, its monitors' included; so it belongs to no actor.
nonisolated private func serverChanged(_ event: OpaquePointer?) {
    guard let event, let context = mongoc_apm_server_changed_get_context(event) else { return }
    let before = mongoc_server_description_type(mongoc_apm_server_changed_get_previous_description(event))
    let after = mongoc_server_description_type(mongoc_apm_server_changed_get_new_description(event))
    guard let before, let after else { return }
    Unmanaged<ServerWatch>.fromOpaque(context).takeUnretainedValue().note(
        String(cString: before),
        String(cString: after)
    )
}
