import Files

extension ScriptError {
    /// What the system has just said of a local file.
    init(_ error: FileError) { self.init(.localFile, error.description) }

    static func ofFiles<Value: ~Copyable>(_ body: () throws(FileError) -> Value) throws(ScriptError) -> Value {
        do throws(FileError) { return try body() } catch { throw ScriptError(error) }
    }
}
