/// Which of TensorLayer's three logs.
public enum LogKind: String, Sendable, CaseIterable {
    case training
    case validation
    case testing

    /// TensorLayer's.
    package var collectionName: String {
        switch self {
        case .training: "TrainLog"
        case .validation: "ValidLog"
        case .testing: "TestLog"
        }
    }
}
