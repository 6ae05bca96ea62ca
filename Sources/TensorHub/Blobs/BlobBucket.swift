/// The GridFS buckets of a database; the first two are TensorLayer's.
public enum BlobBucket: String, Sendable, CaseIterable {
    case dataSets = "datasetFilesystem"
    case models = "modelfs"
    /// Checkpoints of tasks between their attempts.
    case checkpoints = "checkpointfs"
}
