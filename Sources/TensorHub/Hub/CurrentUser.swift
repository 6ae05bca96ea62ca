import Glibc

/// Whose process this is.
package enum CurrentUser {
    /// The name of the account; asked for once.
    package static let name: String? = getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) }
}
