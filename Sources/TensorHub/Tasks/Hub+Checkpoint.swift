extension Hub {
    /// Deletes what the checkpoint of a task that is finished or deleted has left, unless another document has the
    /// same.
    package func releaseCheckpoint(_ checkpoint: TaskCheckpoint) async throws(HubError) {
        let ids = Set(checkpoint.files.map(\.blob.id))
        if !ids.isEmpty { try await releaseBlobs(Array(ids), in: .checkpoints) }
    }
}
