import Glibc

/// Who runs the command.
enum CurrentUser {
    static var name: String? { getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } }
}
