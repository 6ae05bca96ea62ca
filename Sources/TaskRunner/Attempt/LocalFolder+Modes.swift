import CLinux
import Glibc

extension LocalFolder {
    /// Gives a file or folder of this process's user the rights back that its owner needs, where a script has taken them away.
    /// Never through a link.
    ///
    /// - Parameter folder: What a relative name is below.
    /// - Returns: Whether rights were missing and are back.
    @discardableResult
    static func restoreMode(_ name: String, in folder: Int32 = AT_FDCWD) -> Bool {
        tensorhub_restore_mode(folder, name) == 1
    }
}
