/// What a data set or the parameters of a model consist of: files in an order that matters, since a shard is every
/// n-th.
public struct Content: Sendable {
    public enum Kind: String, Sendable {
        /// One file.
        case file
        /// Files under their paths.
        case folder
        /// Named arrays: `.npy` or `.npz` files, in pieces along the first axis where there are several.
        case arrays
    }

    public var kind: Kind
    /// Whoever chooses others than were found answers for them.
    public var files: [SourceFile] { didSet { reading = nil } }
    /// How a client puts the arrays together again: `array`, `tuple`, `list`, `dict`, `pickle`, ... Not for us to read.
    public var form: String?

    public init(kind: Kind, files: [SourceFile], form: String? = nil) {
        self.kind = kind
        self.files = files
        self.form = form
    }

    /// Where it was found on this machine; `nil` for what does not lie there.
    struct Reading: Sendable {
        /// A file or a folder.
        var path: String
        /// Looks once more. Blocks.
        var again: @Sendable () throws(HubError) -> Content
    }

    var reading: Reading?
}
