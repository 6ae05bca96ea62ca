import BSON
import Glibc

/// What tells whether the files of a content change while they are sent: names, sizes, times. Blocks, for as long as a
/// look takes.
struct LocalSnapshot {
    private var names: [ByteString] = []
    private var numbers: [[Int]] = []
    /// When the last of them was changed.
    private var newest = timespec()

    /// - Throws: `localFile`, where the folder cannot be listed.
    init(_ content: NewContent) throws(ScriptError) {
        let found = try content.folder.map { (folder) throws(ScriptError) in try NewContent(path: folder) } ?? content
        for file in found.files {
            guard case .file(let path) = file.source else { continue }
            names.append(file.path.bytes)
            var status = stat()
            guard stat(path, &status) == 0 else {
                numbers.append([])
                continue
            }
            let changed = status.st_ctim
            numbers.append([
                Int(status.st_ino), Int(status.st_size), status.st_mtim.tv_sec, status.st_mtim.tv_nsec, changed.tv_sec,
                changed.tv_nsec,
            ])
            if (changed.tv_sec, changed.tv_nsec) > (newest.tv_sec, newest.tv_nsec) { newest = changed }
        }
    }

    /// How long until any further write shows: within a tick of the kernel's clock all have the same time.
    var unsureFor: Duration {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME_COARSE, &now)
        let age = Duration.seconds(now.tv_sec - newest.tv_sec) + .nanoseconds(now.tv_nsec - newest.tv_nsec)
        let tick = Duration.milliseconds(10)
        return age >= .zero && age < tick ? tick - age : .zero
    }

    /// The first file that is new, gone or changed; `nil` where none is.
    func difference(from other: LocalSnapshot) -> String? {
        let longer = names.count < other.names.count ? other.names : names
        for (index, name) in longer.enumerated() {
            guard index < names.count, index < other.names.count, names[index] == other.names[index],
                numbers[index] == other.numbers[index]
            else { return name.text }
        }
        return nil
    }
}
