package import BSON

/// The command line of a task's script as it is stored, and as it is once the hyper-parameters are filled in.
///
/// `{name}` and `{outer.inner}` become the hyper-parameter's value. A word in braces that names none is an error, as a
/// misspelled name must not reach the script. Everything else passes as it is: JSON, `{}` and whatever is in doubled
/// braces.
package enum ArgumentTemplate {
    /// Bytes of one argument: the kernel takes 128 KiB with the zero at its end.
    static let longest = 128 * 1024 - 1
    /// Bytes of all arguments together. The kernel has room for environment and arguments in a fourth of the stack.
    static let longestSum = 512 * 1024

    /// What follows the script on its command line.
    ///
    /// - Throws: `HubError.invalidInput` of field `args` that names the word which is no hyper-parameter.
    package static func arguments(
        _ options: TaskOptions,
        _ parameters: BSONDocument
    ) throws(HubError) -> [String] {
        var arguments: [String] = []
        if let style = options.parameterArguments {
            for (name, value) in parameters { append(name, value, style, to: &arguments) }
        }
        for text in options.arguments { arguments.append(try filled(text, from: parameters, field: "args")) }
        return arguments
    }

    /// The program that is the task, and its arguments; empty where a script is.
    ///
    /// - Throws: Likewise, of field `command`.
    package static func command(
        _ options: TaskOptions,
        _ parameters: BSONDocument
    ) throws(HubError) -> [String] {
        var words: [String] = []
        for text in options.command { words.append(try filled(text, from: parameters, field: "command")) }
        return words
    }

    /// - Throws: Where the two cannot be made, or the kernel would not take them.
    static func check(_ options: TaskOptions, _ parameters: BSONDocument) throws(HubError) {
        if options.arguments.isEmpty, options.command.isEmpty, options.parameterArguments == nil { return }
        let command = try command(options, parameters)
        if let program = command.first, program.isEmpty {
            throw .invalid("command", "the command's first word is empty; name a program")
        }
        let field = command.isEmpty ? "args" : "command"
        var sum = 0
        for word in command + (try arguments(options, parameters)) {
            sum += word.utf8.count
            if word.utf8.contains(0) {
                throw .invalid(field, "an argument holds a NUL character, which no program can be given; take it out")
            }
            if word.utf8.count > longest || sum > longestSum {
                throw .invalid(
                    field,
                    "the arguments are longer than a program can be given (\(longest) bytes each, \(longestSum) "
                        + "together); let the script read large hyper-parameters from TENSORHUB_TASK_FILE"
                )
            }
        }
    }

    /// The names of hyper-parameters that a command line uses, first parts of paths.
    package static func names(in options: TaskOptions, _ parameters: BSONDocument) -> Set<ByteString> {
        if options.parameterArguments != nil { return Set(parameters.map { $0.key.bytes }) }
        var names: Set<ByteString> = []
        for text in options.arguments + options.command {
            _ = try? walk(text, field: "") { word throws(HubError) in
                guard let value = value(of: word, in: parameters) else { return nil }
                names.insert(
                    parameters[word] == nil ? (word.bytes.cut(atFirst: ".")?.before.bytes ?? word.bytes) : word.bytes
                )
                return value
            }
        }
        return names
    }

    private static func filled(
        _ text: String,
        from parameters: BSONDocument,
        field: String
    ) throws(HubError) -> String {
        try walk(text, field: field) { word throws(HubError) in
            if let value = value(of: word, in: parameters) { return value }
            guard isName(word) else { return nil }
            let near = NearNames.of(word, among: parameters.map(\.key))
            throw .invalid(
                field,
                "'{\(word)}' in '\(text)' names no hyper-parameter"
                    + (near.first.map { "; did you mean '{\($0)}'?" } ?? "; give it, or double the braces")
            )
        }
    }

    /// The text with each `{word}` replaced by what is returned for it; by nothing else where that is `nil`.
    private static func walk(
        _ text: String,
        field: String,
        _ replace: (String) throws(HubError) -> String?
    ) throws(HubError) -> String {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            guard bytes[index] == open, let end = closing(bytes, after: index) else {
                result.append(bytes[index])
                index += 1
                continue
            }
            let isDoubled =
                index > 0 && bytes[index - 1] == open && end + 1 < bytes.count && bytes[end + 1] == close
            let word = String(decoding: bytes[(index + 1)..<end], as: UTF8.self)
            if !isDoubled, let value = try replace(word) {
                result += Array(value.utf8)
            } else {
                result += bytes[index...end]
            }
            index = end + 1
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static let open = UInt8(ascii: "{")
    private static let close = UInt8(ascii: "}")

    /// Where the innermost brace that opens there is closed.
    private static func closing(_ bytes: [UInt8], after index: Int) -> Int? {
        guard let end = bytes[(index + 1)...].firstIndex(where: { $0 == open || $0 == close }) else { return nil }
        return bytes[end] == close ? end : nil
    }

    /// Letters, digits, `_`, `-` and `.`, a letter first: what is no such word may be anything, such as JSON.
    private static func isName(_ word: String) -> Bool {
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        func isLetter(_ byte: UInt8) -> Bool {
            letters.contains(byte | 0x20) || byte == UInt8(ascii: "_") || byte >= 0x80
        }
        guard let first = word.utf8.first, isLetter(first) else { return false }
        return word.utf8.allSatisfy { byte in
            isLetter(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
                || byte == UInt8(ascii: ".")
        }
    }

    /// A key, or a path through documents and lists.
    private static func value(of word: String, in parameters: BSONDocument) -> String? {
        if word.isEmpty { return nil }
        if let value = parameters[word] { return text(value) }
        var value = BSONValue.document(parameters)
        for part in word.bytes.split(separator: ".", omittingEmptySubsequences: false) {
            if let next = value.documentValue?[part.text] {
                value = next
            } else if let list = value.arrayValue, let index = Int(part.text), list.indices.contains(index) {
                value = list[index]
            } else {
                return nil
            }
        }
        return text(value)
    }

    /// Text as it is, numbers as they were typed, everything else as JSON.
    package static func text(_ value: BSONValue) -> String {
        switch value {
        case .string(let text): text
        case .double(let number) where !number.isFinite: number.isNaN ? "nan" : number < 0 ? "-inf" : "inf"
        case .decimal128(let number): "\(number)"
        default: value.extendedJSON(.relaxed)
        }
    }

    private static func append(_ name: String, _ value: BSONValue, _ style: ArgumentStyle, to arguments: inout [String])
    {
        if case .document(let document) = value, !document.isEmpty {
            for (key, value) in document { append("\(name).\(key)", value, style, to: &arguments) }
            return
        }
        let flag = style == .noHyphens ? name : "--\(name)"
        if style == .noBooleanFlags, case .bool(let isOn) = value {
            if isOn { arguments.append(flag) }
        } else {
            arguments.append("\(flag)=\(text(value))")
        }
    }
}
