import BSON
import Files

/// What tells whether the files of a content change while they are sent: names, sizes, times. Blocks, for as long as a
/// look takes.
struct LocalSnapshot {
    private var names: [ByteString] = []
    /// `nil` for one that is not there.
    private var states: [FileState?] = []

    /// - Throws: `localFile`, where the folder cannot be listed.
    init(_ content: NewContent) throws(ScriptError) {
        let found = try content.folder.map { (folder) throws(ScriptError) in try NewContent(path: folder) } ?? content
        for file in found.files {
            guard case .file(let path) = file.source else { continue }
            names.append(file.path.bytes)
            states.append(FileState(path))
        }
    }

    /// How long until any further write shows: within a tick of the kernel's clock all have the same time.
    var unsureFor: Duration { states.reduce(.zero) { max($0, $1?.unsureFor ?? .zero) } }

    /// The first file that is new, gone or changed; `nil` where none is.
    func difference(from other: LocalSnapshot) -> String? {
        let longer = names.count < other.names.count ? other.names : names
        for (index, name) in longer.enumerated() {
            guard index < names.count, index < other.names.count, names[index] == other.names[index],
                states[index] == other.states[index]
            else { return name.text }
        }
        return nil
    }
}
