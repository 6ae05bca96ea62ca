/// A file that is to be stored.
public struct SourceFile: Sendable {
    /// Its name in the data set or model: relative, with `/` between the parts.
    public var path: String
    public var mode: Int32
    public var source: BlobSource
    /// Where it is known already; 64 hexadecimal digits.
    public var sha256: String?

    public init(path: String, mode: Int32 = 0o644, source: BlobSource, sha256: String? = nil) {
        self.path = path
        self.mode = mode
        self.source = source
        self.sha256 = sha256
    }
}
