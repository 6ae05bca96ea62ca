import BSON

extension Content {
    /// Bytes in a name: it has to do as the name of a folder.
    static let longestName = 255

    /// - Parameter noun: `data set` or `model`, for messages.
    /// - Throws: `HubError.invalidInput` of field `name`.
    public static func validate(name: String, noun: String = "data set") throws(HubError) {
        func fault(_ what: String) -> HubError { .invalid("name", "the name of the \(noun) \(what)") }
        if name.isEmpty { throw fault("is empty; give it a word") }
        if name.utf8.contains(0) { throw fault("holds a NUL character; leave it out") }
        let text = name.debugDescription
        if name.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) {
            throw fault("is \(text), with a control character; leave that out")
        }
        if name.bytes.contains("/") { throw fault("is \(text), with a '/'; write '-' or '.' for it") }
        if name.bytes.hasPrefix(".") { throw fault("is \(text) and begins with '.'; begin it with a letter") }
        if name == "-" { throw fault("is '-', which stands for any name; give it a word") }
        if name.utf8.count > longestName {
            throw fault("has \(name.utf8.count) bytes and the limit is \(longestName); shorten it")
        }
    }

    /// - Throws: `HubError.invalidInput` of field `tags.NAME`.
    static func validate(tags: BSONDocument, reserved: Set<ByteString>) throws(HubError) {
        try TaskSpec.validateKeys(of: tags, at: "tags")
        for (key, value) in tags {
            if reserved.contains(key.bytes) {
                throw .invalid("tags.\(key)", "tag '\(key)' is a field of TensorHub's own; choose another name")
            }
            try TaskSpec.validateTop(key, value, at: "tags")
        }
    }

    /// - Throws: `HubError.invalidInput` of field `files`.
    func validate() throws(HubError) {
        if files.isEmpty { throw .invalid("files", "there is no file in it; give at least one") }
        try StoredFile.validate(paths: files.map(\.path))
    }

    /// The hash of the whole: that of the file where it is one; else SHA-256 over a line for each file in order, the
    /// hash, two spaces, the path and a line end, as `sha256sum` writes them. Modes do not count.
    static func sha256(of files: [StoredFile], kind: Kind) -> String? {
        if kind == .file, files.count == 1 { return files[0].blob.sha256 }
        let hash = SHA256()
        for file in files {
            guard let sha256 = file.blob.sha256 else { return nil }
            hash.update(Array((line(sha256, file.path)).utf8))
        }
        return hash.finish()
    }

    private static func line(_ sha256: String, _ path: String) -> String {
        guard
            path.utf8.contains(where: {
                $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\\") || $0 == UInt8(ascii: "\r")
            })
        else { return "\(sha256)  \(path)\n" }
        var escaped = ""
        for scalar in path.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\r": escaped += "\\r"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return "\\\(sha256)  \(escaped)\n"
    }
}

extension StoredFile {
    /// Whether a path stays in the folder that it is put into. What a database says must be asked this before it is
    /// used.
    public static func isRelative(_ path: String) -> Bool {
        !path.utf8.contains(0)
            && path.bytes.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
                $0 != "" && $0 != "." && $0 != ".." && $0.text.utf8.count <= 255
            }
    }

    /// What is put into one folder: paths that stay in it, each once, none of them above another.
    ///
    /// - Throws: `HubError.invalidInput` of field `files`.
    static func validate(paths: [String]) throws(HubError) {
        var known: Set<ByteString> = []
        for path in paths {
            if !isRelative(path) {
                throw .invalid(
                    "files",
                    "file path \(path.debugDescription) must be relative, without '.', '..', empty parts, parts of more "
                        + "than 255 bytes, or NUL"
                )
            }
            if !known.insert(path.bytes).inserted {
                throw .invalid("files", "file '\(path)' is given twice; give it once")
            }
        }
        for path in paths {
            var folder = path
            while let (above, _) = folder.bytes.cut(atLast: "/") {
                folder = above
                if known.contains(folder.bytes) {
                    throw .invalid("files", "'\(folder)' is given as a file and as a folder; rename one")
                }
            }
        }
    }
}
