import Files

extension FileSnapshot {
    /// - Throws: `localFile`, where the folder cannot be listed.
    init(_ content: NewContent) throws(ScriptError) {
        let found = try content.folder.map { (folder) throws(ScriptError) in try NewContent(path: folder) } ?? content
        self.init(
            found.files.compactMap { file in
                if case .file(let path) = file.source { (file.path, path) } else { nil }
            }
        )
    }
}
