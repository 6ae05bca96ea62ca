public import BSON

/// In what two models differ.
public struct ModelDiff: Sendable, Hashable {
    /// A value that is not the same in both; `nil` where one has none.
    public struct Change<Value: Sendable & Hashable>: Sendable, Hashable {
        /// Dotted for fields, as `layers.0.units`; the tensor's name; the file's path.
        public var name: String
        public var before: Value?
        public var after: Value?
    }

    public var architecture: [Change<BSONValue>]
    public var tags: [Change<BSONValue>]
    /// Another shape or type, or a tensor that one of them lacks. Values are not compared: the hashes of the files do.
    public var tensors: [Change<Tensor>]
    /// By hash; a file of TensorLayer's has none and counts as another one unless it is the same blob.
    public var files: [Change<StoredFile>]
    /// How many tensors and files are alike.
    public var sameTensors: Int
    public var sameFiles: Int

    public var isEmpty: Bool { architecture.isEmpty && tags.isEmpty && tensors.isEmpty && files.isEmpty }

    init(_ before: ModelRecord, _ after: ModelRecord, _ tensorsBefore: TensorIndex, _ tensorsAfter: TensorIndex) {
        func flat(_ document: BSONDocument) -> [(String, BSONValue)] { document.leaves }
        architecture = Self.changes(flat(before.architecture ?? [:]), flat(after.architecture ?? [:]), ==)
        tags = Self.changes(flat(before.tags), flat(after.tags), ==)
        // Names may repeat in several files of one model.
        func named(_ index: TensorIndex) -> [(String, Tensor)] {
            var counts: [ByteString: Int] = [:]
            for tensor in index.tensors { counts[tensor.name.bytes, default: 0] += 1 }
            return index.tensors.map { (counts[$0.name.bytes] == 1 ? $0.name : "\($0.file):\($0.name)", $0) }
        }
        let (first, second) = (named(tensorsBefore), named(tensorsAfter))
        tensors = Self.changes(first, second) { $0.shape == $1.shape && $0.dtype.bytes == $1.dtype.bytes }
        sameTensors = second.count - tensors.count { $0.after != nil }
        let (old, new) = (before.files.map { ($0.path, $0) }, after.files.map { ($0.path, $0) })
        files = Self.changes(old, new) {
            $0.blob.id == $1.blob.id || ($0.blob.sha256 != nil && $0.blob.sha256 == $1.blob.sha256)
        }
        sameFiles = new.count - files.count { $0.after != nil }
    }

    private static func changes<Value>(
        _ before: [(String, Value)],
        _ after: [(String, Value)],
        _ isSame: (Value, Value) -> Bool
    ) -> [Change<Value>] {
        let old = Dictionary(before.map { ($0.0.bytes, $0.1) }, uniquingKeysWith: { $1 })
        let new = Dictionary(after.map { ($0.0.bytes, $0.1) }, uniquingKeysWith: { $1 })
        var seen: Set<ByteString> = []
        return (before + after).map(\.0.bytes).compactMap { name in
            guard seen.insert(name).inserted else { return nil }
            if let first = old[name], let second = new[name], isSame(first, second) { return nil }
            return Change(name: name.text, before: old[name], after: new[name])
        }
    }
}

extension Hub {
    /// Compares architecture, tags, tensors and files of two models; of the parameters the headers alone are fetched.
    public func diff(_ before: ModelRecord, _ after: ModelRecord) async throws(HubError) -> ModelDiff {
        ModelDiff(before, after, try await tensors(of: before), try await tensors(of: after))
    }
}

extension BSONDocument {
    /// The values at the ends of all paths, elements of arrays too; a document or array without any is a value itself.
    fileprivate var leaves: [(String, BSONValue)] {
        var result: [(String, BSONValue)] = []
        func walk(_ path: String, _ value: BSONValue) {
            switch value {
            case .document(let inner) where !inner.isEmpty: for (key, value) in inner { walk("\(path).\(key)", value) }
            case .array(let values) where !values.isEmpty:
                for (index, value) in values.enumerated() { walk("\(path).\(index)", value) }
            default: result.append((path, value))
            }
        }
        for (key, value) in self { walk(key, value) }
        return result
    }
}
