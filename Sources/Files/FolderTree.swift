import Glibc

/// Removing what scripts have left, whatever they have made of it: links are removed and not followed, rights that were
/// taken away are restored, and folders may be nested as deep as they like. All calls block.
package enum FolderTree {
    /// Folders deeper than this are moved up before they are emptied, so that neither the stack nor the descriptors run
    /// out.
    private static let maximumDepth = 24

    /// Removes a file or a folder with all that is in it; what is not there is no error. No part of the path may be a
    /// link.
    ///
    /// - Returns: 0, or -1 and `errno`; what could be removed is gone.
    @discardableResult
    package static func remove(_ path: String) -> Int32 {
        let result = GuardedPath.inFolder(of: path) { folder, name in remove(name, in: folder) }
        return result < 0 && errno == ENOENT ? 0 : result
    }

    /// The same for a name in an open folder, which is named by its bytes: they need not be UTF-8.
    @discardableResult
    package static func remove(_ name: UnsafePointer<CChar>, in folder: Int32) -> Int32 {
        if unlink(name, in: folder) == 0 { return 0 }
        guard errno == ENOTEMPTY || errno == EEXIST else { return -1 }
        let top = openFolder(name, in: folder)
        guard top >= 0 else { return -1 }
        defer { close(top) }
        var moved = 0
        var movedBefore = -1
        while moved > movedBefore {
            movedBefore = moved
            guard empty(top, top: top, depth: 0, moved: &moved) else { return -1 }
        }
        return unlink(name, in: folder)
    }

    /// Removes what is not a folder, or an empty one.
    private static func unlink(_ name: UnsafePointer<CChar>, in folder: Int32) -> Int32 {
        func once() -> Int32 {
            if unlinkat(folder, name, 0) == 0 || errno == ENOENT { return 0 }
            // POSIX has EPERM for a folder, Linux EISDIR.
            guard errno == EISDIR || errno == EPERM else { return -1 }
            return unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1
        }
        if once() == 0 { return 0 }
        guard errno == EACCES, GuardedPath.restoreRights(folder) else { return -1 }
        return once()
    }

    private static func openFolder(_ name: UnsafePointer<CChar>, in folder: Int32) -> Int32 {
        let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW
        let opened = openat(folder, name, flags)
        if opened >= 0 || errno != EACCES { return opened }
        guard GuardedPath.restoreRights(name, in: folder) else { return -1 }
        return openat(folder, name, flags)
    }

    /// Empties an open folder; `top` takes the folders that are too deep. What cannot be removed does not keep the
    /// rest.
    private static func empty(_ folder: Int32, top: Int32, depth: Int, moved: inout Int) -> Bool {
        // Its own rights first: a list of names is of no use without them.
        var copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if copy < 0, errno == EACCES, GuardedPath.restoreRights(folder) {
            copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        }
        var fault: Int32 = 0
        let isListed = FolderListing.visit(taking: copy) { name in
            if !removeEntry(name, in: folder, top: top, depth: depth, moved: &moved) { fault = errno }
        }
        if !isListed { return false }
        if fault != 0 { errno = fault }
        return fault == 0
    }

    private static func removeEntry(
        _ name: UnsafePointer<CChar>,
        in folder: Int32,
        top: Int32,
        depth: Int,
        moved: inout Int
    ) -> Bool {
        if unlink(name, in: folder) == 0 { return true }
        guard errno == ENOTEMPTY || errno == EEXIST else { return false }
        if depth == maximumDepth {
            // A folder that is moved has its own rights changed: the name of what is above it is in it.
            _ = GuardedPath.restoreRights(name, in: folder)
            moved += 1
            return renameat(folder, name, top, ".deep.\(UInt64.random(in: .min ... .max))") == 0
        }
        let child = openFolder(name, in: folder)
        guard child >= 0 else { return false }
        defer { close(child) }
        guard empty(child, top: top, depth: depth + 1, moved: &moved) else { return false }
        // One from which folders were moved up is emptied in the next round, where something was put there meanwhile.
        return unlink(name, in: folder) == 0 || errno == ENOTEMPTY
    }
}
