/// The tensors of a data set or model, found in the headers of its files alone.
public struct TensorIndex: Sendable, Hashable {
    /// A file that begins like one with tensors and then is none.
    public struct Fault: Sendable, Hashable {
        public var file: String
        public var message: String
    }

    /// In the order of the files; within a safetensors file in that of its header.
    public var tensors: [Tensor] = []
    public var faults: [Fault] = []
    /// Paths of files of other kinds: nobody looked into them.
    public var others: [String] = []
}
