import BSON
import CLibYAML

/// Reads the part of YAML that configuration needs: one document of mappings, lists and scalars, with line numbers.
/// Anchors, aliases, tags and a second document are refused: nobody writes them here on purpose, and aliases let
/// a small file grow without limit.
package enum YAMLFile {
    /// Far beyond any configuration; bounds the recursion.
    static let maximumDepth = 32

    /// The file's one node; `nil` when it holds nothing but comments.
    ///
    /// - Parameter name: the path, for messages.
    package static func parse(_ bytes: [UInt8], name: String) throws(SettingsError) -> YAMLNode? {
        try bytes.withUnsafeBufferPointer { (buffer) throws(SettingsError) in
            var reader = try EventReader(buffer, name: name)
            return try reader.readFile()
        }
    }
}

/// libyaml's event stream over bytes that outlive it.
private struct EventReader: ~Copyable {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let name: String

    private enum Event {
        case scalar(String, isPlain: Bool)
        case listStart, listEnd, mappingStart, mappingEnd, documentStart, documentEnd, streamEnd
    }

    init(_ buffer: UnsafeBufferPointer<UInt8>, name: String) throws(SettingsError) {
        parser = .allocate(capacity: 1)
        parser.initialize(to: yaml_parser_t())
        self.name = name
        // Fails only when there is no memory left.
        guard yaml_parser_initialize(parser) == 1 else {
            throw SettingsError(.malformedFile, at: name, "cannot be read: out of memory")
        }
        yaml_parser_set_input_string(parser, buffer.baseAddress, buffer.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    mutating func readFile() throws(SettingsError) -> YAMLNode? {
        let start = try next()
        guard case .documentStart = start.event else { return nil }
        let first = try next()
        let node = try node(first.event, line: first.line, depth: 0)
        _ = try next()
        let end = try next()
        guard case .streamEnd = end.event else {
            throw malformed(end.line, "a second document starts here; keep all settings in one, without `---`")
        }
        return node
    }

    private mutating func node(_ event: Event, line: Int, depth: Int) throws(SettingsError) -> YAMLNode {
        guard depth < YAMLFile.maximumDepth else {
            throw malformed(line, "nested more than \(YAMLFile.maximumDepth) levels deep")
        }
        switch event {
        case .scalar(let text, let isPlain):
            return YAMLNode(value: .scalar(text, isPlain: isPlain), line: line)
        case .listStart:
            var nodes: [YAMLNode] = []
            while true {
                let (event, line) = try next()
                if case .listEnd = event { break }
                nodes.append(try node(event, line: line, depth: depth + 1))
            }
            return YAMLNode(value: .list(nodes), line: line)
        case .mappingStart:
            return YAMLNode(value: .mapping(try entries(depth: depth)), line: line)
        case .listEnd, .mappingEnd, .documentStart, .documentEnd, .streamEnd:
            throw malformed(line, "a value is missing here")
        }
    }

    private mutating func entries(depth: Int) throws(SettingsError) -> [YAMLEntry] {
        var entries: [YAMLEntry] = []
        var lines: [ByteString: Int] = [:]
        while true {
            let (event, line) = try next()
            if case .mappingEnd = event { return entries }
            guard case .scalar(let key, _) = event else {
                throw malformed(line, "a key must be a word, not a list or a mapping")
            }
            if let earlier = lines.updateValue(line, forKey: key.bytes) {
                throw SettingsError(
                    .duplicateKey,
                    at: "\(name), line \(line)",
                    "\(quoted(key)) is already set on line \(earlier); remove one of the two"
                )
            }
            let value = try next()
            entries.append(
                YAMLEntry(key: key, line: line, value: try node(value.event, line: value.line, depth: depth + 1))
            )
        }
    }

    /// The next event that carries meaning, and its line.
    private mutating func next() throws(SettingsError) -> (event: Event, line: Int) {
        while true {
            var raw = yaml_event_t()
            guard yaml_parser_parse(parser, &raw) == 1 else { throw parserError() }
            defer { yaml_event_delete(&raw) }
            let line = Int(raw.start_mark.line) + 1
            switch raw.type {
            case YAML_SCALAR_EVENT:
                let scalar = raw.data.scalar
                guard scalar.anchor == nil, scalar.tag == nil else { throw unsupported(line) }
                let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
                return (
                    .scalar(String(decoding: bytes, as: UTF8.self), isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE),
                    line
                )
            case YAML_SEQUENCE_START_EVENT:
                guard raw.data.sequence_start.anchor == nil, raw.data.sequence_start.tag == nil else {
                    throw unsupported(line)
                }
                return (.listStart, line)
            case YAML_MAPPING_START_EVENT:
                guard raw.data.mapping_start.anchor == nil, raw.data.mapping_start.tag == nil else {
                    throw unsupported(line)
                }
                return (.mappingStart, line)
            case YAML_ALIAS_EVENT: throw unsupported(line)
            case YAML_SEQUENCE_END_EVENT: return (.listEnd, line)
            case YAML_MAPPING_END_EVENT: return (.mappingEnd, line)
            case YAML_DOCUMENT_START_EVENT: return (.documentStart, line)
            case YAML_DOCUMENT_END_EVENT: return (.documentEnd, line)
            // libyaml answers NO_EVENT for ever once the stream has ended.
            case YAML_STREAM_END_EVENT, YAML_NO_EVENT: return (.streamEnd, line)
            default: continue
            }
        }
    }

    private func parserError() -> SettingsError {
        let problem = parser.pointee.problem.map { String(cString: $0) } ?? "not YAML"
        // The reader (bad UTF-8, control characters) knows an offset only.
        guard parser.pointee.error != YAML_READER_ERROR else {
            return SettingsError(
                .malformedFile,
                at: name,
                "\(problem) at byte \(parser.pointee.problem_offset); save the file as plain UTF-8 text"
            )
        }
        return malformed(
            Int(parser.pointee.problem_mark.line) + 1,
            "\(problem); write `key: value`, indent with spaces and put text with special characters in quotes"
        )
    }

    private func unsupported(_ line: Int) -> SettingsError {
        malformed(line, "anchors (&), aliases (*) and tags (!) are not read; write the value out, in quotes if need be")
    }

    private func malformed(_ line: Int, _ message: String) -> SettingsError {
        SettingsError(.malformedFile, at: "\(name), line \(line)", message)
    }
}

/// A key as it may be shown. What somebody wrote in place of a key may hold a password, so only words are repeated.
func quoted(_ key: String) -> String {
    let isWord = key.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }
    return isWord && !key.isEmpty && key.utf8.count <= 64 ? "`\(key)`" : "this key"
}

extension YAMLNode {
    /// A default of the table, read as if it stood in a file.
    static func defaultNode(_ text: String) -> YAMLNode? {
        try? YAMLFile.parse(Array(text.utf8), name: "default")
    }
}
