import Files

extension HubError {
    /// What the system has just said of a file, as an error of ours.
    init(_ error: FileError) {
        let text = "cannot \(error.verb) \(error.path): \(error.reason)"
        if error.isFull {
            self.init(.noSpace, field: "path", "\(text); make room there or choose another disk")
        } else if error.isOfPath {
            self.init(.invalidInput, field: "path", text)
        } else {
            // The path is good: too many open files, no memory, a disk that fails.
            self.init(.database, field: "path", "\(text); try again later")
        }
    }

    static func ofFiles<Value>(_ body: () throws(FileError) -> Value) throws(HubError) -> Value {
        do throws(FileError) { return try body() } catch { throw HubError(error) }
    }
}
