import Glibc

/// The names in a folder, one after the other.
enum FolderListing {
    /// Calls `body` with each name but `.` and `..`, by its bytes: they need not be UTF-8.
    ///
    /// - Parameter folder: Its descriptor, which is taken over; below 0 where it could not be opened.
    /// - Returns: Whether it could be listed; `errno` else.
    static func visit(taking folder: Int32, _ body: (UnsafePointer<CChar>) -> Void) -> Bool {
        guard folder >= 0 else { return false }
        guard let stream = fdopendir(folder) else {
            let number = errno
            close(folder)
            errno = number
            return false
        }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            withUnsafePointer(to: &entry.pointee.d_name) { bytes in
                let name = UnsafeRawPointer(bytes).assumingMemoryBound(to: CChar.self)
                if strcmp(name, ".") != 0, strcmp(name, "..") != 0 { body(name) }
            }
        }
        return true
    }
}
