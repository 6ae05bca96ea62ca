import BSON

/// The given values of all places, the strongest place first.
struct SettingsLayers {
    struct Given {
        var value: SettingValue
        var origin: SettingOrigin
    }

    static let systemFile = "/etc/tensorhub/tensorhubd.yaml"

    private let inputs: SettingsInputs
    private var layers: [[SettingKey: Given]] = []

    init(_ inputs: SettingsInputs) throws(SettingsError) {
        self.inputs = inputs
        try addFlags()
        try addEnvironment()
        if let path = inputs.configFile {
            try addFile(absolute(path, in: inputs.currentDirectory), namedBy: "--config")
        } else if let path = variable("TENSORHUB_CONFIG") {
            try addFile(absolute(path, in: inputs.currentDirectory), namedBy: "TENSORHUB_CONFIG")
        } else {
            if let folder = userFolder("XDG_CONFIG_HOME", ".config") { try addFile("\(folder)/config.yaml") }
            try addFile(Self.systemFile)
        }
    }

    /// Where each given key's value comes from.
    var origins: [ByteString: SettingOrigin] {
        var origins: [ByteString: SettingOrigin] = [:]
        for layer in layers {
            for (key, given) in layer where origins[key.name.bytes] == nil { origins[key.name.bytes] = given.origin }
        }
        return origins
    }

    // MARK: Places

    private mutating func addFlags() throws(SettingsError) {
        var layer: [SettingKey: Given] = [:]
        for key in SettingKey.all {
            guard let texts = inputs.flags[key.name.bytes], !texts.isEmpty else { continue }
            layer[key] = try given(key, .texts(texts), .flag(key.name), folder: inputs.currentDirectory)
        }
        try add(layer)
    }

    private mutating func addEnvironment() throws(SettingsError) {
        var layer: [SettingKey: Given] = [:]
        for key in SettingKey.all {
            guard let text = variable(key.environmentVariable) else { continue }
            let origin = SettingOrigin.environment(key.environmentVariable)
            layer[key] = try given(key, .texts([text]), origin, folder: inputs.currentDirectory)
        }
        try add(layer)
    }

    /// - Parameter namer: what named the file; `nil` for the usual places, where it may be missing.
    private mutating func addFile(_ path: String, namedBy namer: String? = nil) throws(SettingsError) {
        let bytes: [UInt8]
        switch inputs.readFile(path) {
        case .content(let content): bytes = content
        case .missing:
            guard let namer else { return }
            throw SettingsError(.unreadableFile, at: path, "does not exist; correct \(namer) or create the file")
        case .unreadable(let reason):
            throw SettingsError(
                .unreadableFile,
                at: path,
                "cannot be read (\(reason)); correct that, or name another file with --config"
            )
        }
        guard let root = try YAMLFile.parse(bytes, name: path), root.kindName != "nothing" else { return }
        guard case .mapping(let entries) = root.value else {
            throw SettingsError(.malformedFile, at: "\(path), line \(root.line)", "expected lines of `key: value`")
        }
        let folder = path.bytes.cut(atLast: "/")?.before ?? ""
        var layer: [SettingKey: Given] = [:]
        for (name, line, node) in flattened(entries, prefix: "") {
            let place = "\(path), line \(line)"
            guard let key = SettingKey.named(name) else { throw unknown(name, at: place) }
            if let earlier = layer[key]?.origin {
                throw SettingsError(
                    .duplicateKey,
                    at: place,
                    "`\(name)` is already set in \(earlier); remove one of the two"
                )
            }
            layer[key] = try given(key, .node(node), .file(path: path, line: line), folder: folder)
        }
        try add(layer)
    }

    /// `environment: {allow: ...}` and `environment.allow: ...` are the same.
    private func flattened(_ entries: [YAMLEntry], prefix: String) -> [(String, Int, YAMLNode)] {
        entries.flatMap { entry -> [(String, Int, YAMLNode)] in
            let name = prefix + entry.key
            if case .mapping(let inner) = entry.value.value,
                SettingKey.all.contains(where: { $0.name.bytes.hasPrefix("\(name).") })
            {
                return flattened(inner, prefix: name + ".")
            }
            return [(name, entry.line, entry.value)]
        }
    }

    private func unknown(_ name: String, at place: String) -> SettingsError {
        let advice =
            if let nearest = SettingKey.nearest(to: name) {
                "did you mean `\(nearest.name)`?"
            } else {
                "the keys are " + SettingKey.all.map(\.name).joined(separator: ", ")
            }
        return SettingsError(.unknownKey, at: place, "\(quoted(name)) is not a setting; \(advice)")
    }

    private mutating func add(_ layer: [SettingKey: Given]) throws(SettingsError) {
        if let uri = layer[.uri], let file = layer[.uriFile] {
            throw SettingsError(
                .duplicateKey,
                at: "\(file.origin)",
                "`uri-file` and `uri` (\(uri.origin)) exclude each other; remove one of the two"
            )
        }
        layers.append(layer)
    }

    private func given(
        _ key: SettingKey,
        _ written: WrittenValue,
        _ origin: SettingOrigin,
        folder: String
    ) throws(SettingsError) -> Given {
        var value = try key.value(of: written, at: "\(origin)")
        if key.kind == .path, case .text(let path) = value {
            guard !path.isEmpty, !path.utf8.contains(0) else {
                throw SettingsError(.invalidValue, at: "\(origin)", "`\(key.name)` is empty; give a path or remove it")
            }
            value = .text(absolute(path, in: folder))
        }
        return Given(value: value, origin: origin)
    }

    // MARK: Values

    private func strongest(_ key: SettingKey) -> Given? { layers.lazy.compactMap { $0[key] }.first }

    /// The given value, or the table's default.
    private func value(_ key: SettingKey) -> SettingValue {
        if let given = strongest(key) { return given.value }
        guard case .text(let text) = key.fallback,
            let bytes = YAMLNode.defaultNode(text),
            let value = try? key.value(of: .node(bytes), at: "default")
        else { preconditionFailure("the default of \(key.name) is not valid") }
        return value
    }

    /// A text that somebody gave; `nil` where the default depends on the machine and nobody did.
    func given(_ key: SettingKey) -> String? {
        if case .text(let text)? = strongest(key)?.value { text } else { nil }
    }

    /// A time that somebody gave; `nil` where nobody did.
    func givenDuration(_ key: SettingKey) -> Duration? {
        if case .duration(let time)? = strongest(key)?.value { time } else { nil }
    }

    func text(_ key: SettingKey) -> String {
        if case .text(let text) = value(key) { text } else { preconditionFailure("\(key.name) is no text") }
    }

    func integer(_ key: SettingKey) -> Int {
        if case .integer(let number) = value(key) { number } else { preconditionFailure("\(key.name) is no number") }
    }

    func duration(_ key: SettingKey) -> Duration {
        if case .duration(let time) = value(key) { time } else { preconditionFailure("\(key.name) is no time") }
    }

    func list(_ key: SettingKey) -> [String] {
        if case .list(let words) = value(key) { words } else { preconditionFailure("\(key.name) is no list") }
    }

    func labels(_ key: SettingKey) -> [ByteString: String] {
        if case .labels(let labels) = value(key) { labels } else { preconditionFailure("\(key.name) is no labels") }
    }

    func document(_ key: SettingKey) -> BSONDocument {
        if case .document(let query) = value(key) { query } else { preconditionFailure("\(key.name) is no document") }
    }

    /// The URI of the strongest place that gives one, itself or in a file.
    func uri() throws(SettingsError) -> String {
        for layer in layers {
            if case .text(let uri)? = layer[.uri]?.value { return uri }
            guard let given = layer[.uriFile], case .text(let path) = given.value else { continue }
            switch inputs.readFile(path) {
            case .missing:
                throw SettingsError(
                    .unreadableFile,
                    at: "\(given.origin)",
                    "`uri-file` names \(Self.shown(path)), which does not exist"
                )
            case .unreadable(let reason):
                throw SettingsError(
                    .unreadableFile,
                    at: "\(given.origin)",
                    "`uri-file` names \(Self.shown(path)), which cannot be read: \(reason)"
                )
            case .content(let bytes):
                let uri = trimmed(String(decoding: ByteOrderMark.dropped(from: bytes[...]), as: UTF8.self))
                guard !uri.contains(where: \.isNewline) else {
                    throw SettingsError(.invalidValue, at: path, "must hold the URI on one line and nothing else")
                }
                try SettingKey.checkURI(uri, at: path)
                return uri
            }
        }
        return text(.uri)
    }

    /// A path for messages: what was put there by mistake may be a connection string.
    private static func shown(_ path: String) -> String {
        path.utf8.contains(UInt8(ascii: "@")) ? "a file" : path
    }

    /// The file that shows the password of `uri` to every user of the machine; `nil` where none does.
    func exposingFile(of uri: String) -> String? {
        let login = uri.utf8.lastIndex(of: UInt8(ascii: "@")).map { uri[..<$0].utf8.dropFirst("mongodb://".utf8.count) }
        guard login?.contains(UInt8(ascii: ":")) == true || uri.lowercased().contains("password=") else { return nil }
        for layer in layers {
            let origin = layer[.uri]?.origin
            if case .file(let path, _)? = origin { return inputs.isReadableByAll(path) ? path : nil }
            if origin != nil { return nil }
            if case .text(let path)? = layer[.uriFile]?.value { return inputs.isReadableByAll(path) ? path : nil }
        }
        return nil
    }

    func stateDirectory() throws(SettingsError) -> String {
        if let path = given(.stateDirectory) { return path }
        // systemd gives several, separated by colons, when the unit names several.
        if let paths = variable("STATE_DIRECTORY"), let first = paths.bytes.split(separator: ":").first {
            return first.text
        }
        if inputs.isRoot { return "/var/lib/tensorhub" }
        guard let folder = userFolder("XDG_STATE_HOME", ".local/state") else { throw homeless("--state-directory") }
        return folder
    }

    func dataDirectory() throws(SettingsError) -> String {
        guard let folder = userFolder("XDG_DATA_HOME", ".local/share") else { throw homeless("XDG_DATA_HOME") }
        return folder
    }

    private func homeless(_ remedy: String) -> SettingsError {
        SettingsError(.invalidValue, at: "environment variable HOME", "this user has no home folder; set \(remedy)")
    }

    // MARK: Paths and variables

    /// An empty variable counts as none.
    private func variable(_ name: String) -> String? {
        inputs.environment[name.bytes].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Our folder under one of the XDG base folders; a relative one is ignored, as that specification asks.
    private func userFolder(_ name: String, _ fallback: String) -> String? {
        if let path = variable(name), path.bytes.hasPrefix("/") { return path + "/tensorhub" }
        return inputs.homeDirectory.map { "\($0)/\(fallback)/tensorhub" }
    }

    /// `~/` is the home folder; a relative path starts at the folder of the file that gives it.
    private func absolute(_ path: String, in folder: String) -> String {
        if path.bytes.hasPrefix("/") { return path }
        if let rest = path.bytes.dropping("~"), rest.bytes.hasPrefix("/"), let home = inputs.homeDirectory {
            return home + rest
        }
        return (folder == "/" ? "" : folder) + "/" + path
    }
}
