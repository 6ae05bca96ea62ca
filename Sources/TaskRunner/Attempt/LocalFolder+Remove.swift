import Glibc

extension LocalFolder {
    /// Folders deeper than this are moved up before they are emptied, so that neither the stack nor the descriptors run
    /// out, however deep a script has nested them.
    private static let maximumDepth = 24

    /// Removes a folder with all that is in it. One that is not there is no error.
    func removeTree(_ name: String) throws(AttemptError) {
        if unlinkat(descriptor, name, AT_REMOVEDIR) == 0 || errno == ENOENT { return }
        fchmodat(descriptor, name, 0o700, 0)
        let folder = try LocalFolder(name, in: self)
        var moved = 0
        var movedBefore = -1
        while moved > movedBefore {
            movedBefore = moved
            try folder.removeContent(of: folder, depth: 0, moved: &moved)
        }
        guard unlinkat(descriptor, name, AT_REMOVEDIR) == 0 || errno == ENOENT else { throw .call("remove", name) }
    }

    /// Empties this folder; `top` takes the folders that are too deep.
    private func removeContent(
        of top: borrowing LocalFolder,
        depth: Int,
        moved: inout Int
    ) throws(AttemptError) {
        let copy = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0, let stream = fdopendir(copy) else { throw .call("list", ".") }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            // The bytes as they are: a name need not be UTF-8.
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                $0.prefix { $0 != 0 }.map { CChar(bitPattern: $0) } + [0]
            }
            if name == [46, 0] || name == [46, 46, 0] { continue }
            if unlinkat(descriptor, name, 0) == 0 || unlinkat(descriptor, name, AT_REMOVEDIR) == 0 { continue }
            guard errno == ENOTEMPTY || errno == EACCES else { throw .call("remove", text(name)) }
            // A script may have taken its own folder's permissions away.
            fchmodat(descriptor, name, 0o700, 0)
            if depth == Self.maximumDepth {
                moved += 1
                guard renameat(descriptor, name, top.descriptor, ".deep.\(getpid()).\(moved)") == 0 else {
                    throw .call("move", text(name))
                }
                continue
            }
            let child = try LocalFolder(entry: name, in: self)
            try child.removeContent(of: top, depth: depth + 1, moved: &moved)
            guard unlinkat(descriptor, name, AT_REMOVEDIR) == 0 || errno == ENOTEMPTY else {
                throw .call("remove", text(name))
            }
        }
    }

    private func text(_ name: [CChar]) -> String {
        String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
