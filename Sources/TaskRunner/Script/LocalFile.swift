import CLinux
import Files
import Glibc

/// Calls on single files below the state directory, where scripts can write. Everything blocks: for pool threads only.
enum LocalFile {
    /// Moves a file within a file system and sees that its bytes are on the disk.
    static func move(_ source: String, to target: String, in state: StateFolder) throws(FileError) {
        try sync(source, in: state)
        let from = try state.folder(of: source)
        try from.rename(StateFolder.name(source), to: StateFolder.name(target), in: state.folder(of: target))
    }

    static func write(
        _ bytes: [UInt8],
        to path: String,
        in state: StateFolder,
        isSynced: Bool = false
    ) throws(FileError) {
        try put(bytes, path, state, O_CREAT | O_EXCL)
        if isSynced { try sync(path, in: state) }
    }

    static func append(_ bytes: [UInt8], to path: String, in state: StateFolder) throws(FileError) {
        try put(bytes, path, state, O_APPEND)
    }

    private static func put(
        _ bytes: [UInt8],
        _ path: String,
        _ state: StateFolder,
        _ flags: Int32
    ) throws(FileError) {
        let file = try state.openRegular(path, O_WRONLY | flags, toDo: "create")
        defer { close(file) }
        try OpenFile.write(file, path, bytes)
    }

    static func sync(_ path: String, in state: StateFolder) throws(FileError) {
        let file = try state.openRegular(path, O_RDONLY)
        defer { close(file) }
        guard fdatasync(file) == 0 else { throw FileError("sync", path) }
    }

    /// The copy of a file while it is made; where the file system can, it shares the blocks.
    final class Copy: Sendable {
        private let source: String
        private let target: String
        private let from: Int32
        private let to: Int32

        init(_ source: String, to target: String, in state: StateFolder) throws(FileError) {
            let from = try state.openRegular(source, O_RDONLY)
            do throws(FileError) {
                to = try state.openRegular(target, O_WRONLY | O_CREAT | O_EXCL, toDo: "create")
            } catch {
                close(from)
                throw error
            }
            self.source = source
            self.target = target
            self.from = from
        }

        deinit {
            close(from)
            close(to)
        }

        /// Goes on from where both files stand.
        ///
        /// - Returns: How many bytes it has copied, at most `limit`; 0 at the end.
        func go(on limit: Int) throws(FileError) -> Int {
            while true {
                let count = tensorhub_copy_file_range(from, to, limit)
                if count >= 0 { return count }
                if errno == EINTR { continue }
                guard [EXDEV, EINVAL, EOPNOTSUPP, ENOSYS].contains(errno) else { throw FileError("copy", source) }
                return try copyBytes(min(limit, 1 << 20))
            }
        }

        /// What is copied outlives a power cut.
        func sync(_ call: (Int32) -> Int32) throws(FileError) {
            guard call(to) == 0 else { throw FileError("sync", target) }
        }

        private func copyBytes(_ limit: Int) throws(FileError) -> Int {
            let bytes = try OpenFile.read(from, source, at: nil, upTo: limit)
            try OpenFile.write(to, target, bytes)
            return bytes.count
        }
    }
}
