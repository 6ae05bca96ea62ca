import Glibc

/// What the system said of a file call.
package struct FileError: Error, Sendable, CustomStringConvertible {
    /// What was to be done: `open`, `make folder`.
    package let verb: String
    package let path: String
    /// errno of the call.
    package let number: Int32
    /// What is wrong where the system's words do not tell it.
    private let fault: String?

    /// - Parameter number: Unless given, that of the last call.
    package init(_ verb: String, _ path: String, _ number: Int32 = errno, fault: String? = nil) {
        self.verb = verb
        self.path = path
        self.number = number
        self.fault = fault
    }

    /// The system's words.
    package var reason: String { Self.reason(number) }

    package var description: String { fault ?? "cannot \(verb) '\(path)': \(reason)" }

    /// The system's words of an errno.
    package static func reason(_ number: Int32 = errno) -> String { String(cString: strerror(number)) }

    /// Whether the disk has no room: there is none left, or no more of it for this user or this file.
    package var isFull: Bool { Self.isFull(number) }

    package static func isFull(_ number: Int32) -> Bool { [ENOSPC, EDQUOT, EFBIG].contains(number) }

    /// Whether this machine is short of something or its disk fails, so that the same call may succeed later. Anything
    /// else that a file call says of a folder that scripts can reach is a script's doing, and stays so.
    package var mayPass: Bool { Self.mayPass(number) }

    package static func mayPass(_ number: Int32) -> Bool {
        [EAGAIN, ENOMEM, ENOSPC, EDQUOT, EMFILE, ENFILE, EIO, EROFS].contains(number)
    }

    /// Whether another path would do: this one cannot be, or is not for this user.
    package var isOfPath: Bool {
        [
            ENOENT, EISDIR, ENOTDIR, EACCES, EPERM, EEXIST, ENOTEMPTY, ENAMETOOLONG, ELOOP, EROFS, EXDEV, EMLINK, ENXIO,
            ENODEV, EINVAL,
        ].contains(number)
    }
}
