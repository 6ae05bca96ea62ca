import BSON

/// One of n equal parts of a data set: the files number `index`, `index + count`, ... from 0.
public struct Shard: Sendable, Hashable {
    public var index: Int
    public var count: Int

    public init(index: Int, count: Int) {
        self.index = index
        self.count = count
    }
}

extension Shard {
    /// Reads `0/4`: the first of four.
    ///
    /// - Throws: `HubError.invalidInput` that says what is wrong with it.
    public init(_ text: String) throws(HubError) {
        let parts = text.bytes.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let index = Int(parts[0].text), let count = Int(parts[1].text) else {
            throw .invalid("shard", "shard: '\(text)' is not of the form i/n; write 0/4 for the first of four")
        }
        self.init(index: index, count: count)
        try validate()
    }

    /// Those of the files that belong to it.
    ///
    /// - Throws: `HubError.invalidInput` where it cannot be, or there are fewer files than shards and none is left for
    ///   it.
    public func files(of files: [StoredFile]) throws(HubError) -> [StoredFile] {
        try validate()
        if index >= files.count {
            throw .invalid(
                "shard",
                "shard \(index)/\(count) is empty, since there \(files.count == 1 ? "is 1 file" : "are \(files.count) files"); "
                    + "ask for at most that many shards, or store the data set in more pieces"
            )
        }
        return stride(from: index, to: files.count, by: count).map { files[$0] }
    }

    private func validate() throws(HubError) {
        if count < 1 { throw .invalid("shard", "shard: there are \(count) of them; there must be at least 1") }
        if index < 0 || index >= count {
            throw .invalid("shard", "shard: \(index) is not one of \(count); they count from 0 to \(count - 1)")
        }
    }
}
