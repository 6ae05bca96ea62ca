/// Writes Extended JSON into one buffer, walking documents in their encoded form.
struct ExtendedJSONWriter {
    private let isCanonical: Bool
    private let isPretty: Bool
    private var output: [UInt8] = []
    private var level = 0

    init(mode: ExtendedJSONMode, pretty: Bool) {
        isCanonical = mode == .canonical
        isPretty = pretty
    }

    var text: String { String(decoding: output, as: UTF8.self) }

    mutating func write(_ document: BSONDocument) {
        write(contentsOf: BSONScanner(document.bytes), isArray: false)
    }

    mutating func write(_ value: BSONValue) {
        switch value {
        case .double(let number): write(number)
        case .string(let text): writeString(text)
        case .document(let document): write(document)
        case .array(let values):
            open("[")
            for (index, value) in values.enumerated() {
                separate(isFirst: index == 0)
                write(value)
            }
            close("]", isEmpty: values.isEmpty)
        case .binary(let binary): write(binary)
        case .undefined: append(#"{"$undefined": true}"#)
        case .objectID(let id): append(#"{"$oid": "\#(id)"}"#)
        case .bool(let flag): append(flag ? "true" : "false")
        case .dateTime(let time): write(time)
        case .null: append("null")
        case .regularExpression(let expression):
            append(#"{"$regularExpression": {"pattern": "#)
            writeString(expression.pattern)
            append(#", "options": "#)
            writeString(expression.options)
            append("}}")
        case .dbPointer(let pointer):
            append(#"{"$dbPointer": {"$ref": "#)
            writeString(pointer.reference)
            append(#", "$id": {"$oid": "\#(pointer.id)"}}}"#)
        case .javaScript(let code): writeWrapped("$code", code)
        case .symbol(let text): writeWrapped("$symbol", text)
        case .javaScriptWithScope(let code, let scope):
            append(#"{"$code": "#)
            writeString(code)
            append(#", "$scope": "#)
            write(scope)
            append("}")
        case .int32(let number): append(isCanonical ? #"{"$numberInt": "\#(number)"}"# : String(number))
        case .timestamp(let time):
            append(#"{"$timestamp": {"t": \#(time.seconds), "i": \#(time.increment)}}"#)
        case .int64(let number): append(isCanonical ? #"{"$numberLong": "\#(number)"}"# : String(number))
        case .decimal128(let number): append(#"{"$numberDecimal": "\#(number)"}"#)
        case .minKey: append(#"{"$minKey": 1}"#)
        case .maxKey: append(#"{"$maxKey": 1}"#)
        }
    }

    private mutating func write(_ number: Double) {
        if number.isNaN {
            append(#"{"$numberDouble": "NaN"}"#)
        } else if number.isInfinite {
            append(#"{"$numberDouble": "\#(number < 0 ? "-" : "")Infinity"}"#)
        } else {
            // Swift prints the shortest text that reads back as the same number; the specification has a capital E.
            let digits = String(
                decoding: "\(number)".utf8.map { $0 == UInt8(ascii: "e") ? UInt8(ascii: "E") : $0 },
                as: UTF8.self
            )
            append(isCanonical ? #"{"$numberDouble": "\#(digits)"}"# : digits)
        }
    }

    private mutating func write(_ time: BSONDateTime) {
        if !isCanonical, BSONDateTime.textRange.contains(time.millisecondsSince1970) {
            append(#"{"$date": "\#(time.iso8601)"}"#)
        } else {
            append(#"{"$date": {"$numberLong": "\#(time.millisecondsSince1970)"}}"#)
        }
    }

    private mutating func write(_ binary: BSONBinary) {
        append(#"{"$binary": {"base64": ""#)
        Base64.append(binary.bytes, to: &output)
        append(#"", "subType": "\#(Hexadecimal.text([binary.subtype]))"}}"#)
    }

    private mutating func writeWrapped(_ key: String, _ text: String) {
        append(#"{"\#(key)": "#)
        writeString(text)
        append("}")
    }
}

// MARK: - Structure

extension ExtendedJSONWriter {
    private mutating func write(contentsOf scanner: BSONScanner, isArray: Bool) {
        var scanner = scanner
        var isEmpty = true
        open(isArray ? "[" : "{")
        while let element = scanner.next() {
            separate(isFirst: isEmpty)
            isEmpty = false
            if !isArray {
                writeString(scanner.key(of: element))
                append(": ")
            }
            switch element.type {
            case .document: write(contentsOf: scanner.nested(element), isArray: false)
            case .array: write(contentsOf: scanner.nested(element), isArray: true)
            default: write(scanner.value(of: element))
            }
        }
        close(isArray ? "]" : "}", isEmpty: isEmpty)
    }

    private mutating func open(_ bracket: StaticString) {
        append(bracket)
        level += 1
    }

    private mutating func separate(isFirst: Bool) {
        if !isFirst { append(isPretty ? "," as StaticString : ", ") }
        if isPretty { breakLine() }
    }

    private mutating func close(_ bracket: StaticString, isEmpty: Bool) {
        level -= 1
        if isPretty, !isEmpty { breakLine() }
        append(bracket)
    }

    private mutating func breakLine() {
        output.append(UInt8(ascii: "\n"))
        output.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * level))
    }

    private mutating func append(_ text: StaticString) {
        output.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    @_disfavoredOverload
    private mutating func append(_ text: String) {
        output.append(contentsOf: text.utf8)
    }

    private mutating func writeString(_ text: String) {
        var text = text
        output.append(UInt8(ascii: "\""))
        text.withUTF8 { characters in
            var start = 0
            for (index, character) in characters.enumerated() {
                guard character < 0x20 || character == UInt8(ascii: "\"") || character == UInt8(ascii: "\\") else {
                    continue
                }
                output.append(contentsOf: characters[start..<index])
                start = index + 1
                escape(character)
            }
            output.append(contentsOf: characters[start...])
        }
        output.append(UInt8(ascii: "\""))
    }

    private mutating func escape(_ character: UInt8) {
        switch character {
        case 0x08: append(#"\b"#)
        case 0x09: append(#"\t"#)
        case 0x0A: append(#"\n"#)
        case 0x0C: append(#"\f"#)
        case 0x0D: append(#"\r"#)
        case UInt8(ascii: "\""): append(#"\""#)
        case UInt8(ascii: "\\"): append(#"\\"#)
        default: append(#"\u00\#(Hexadecimal.text([character]))"#)
        }
    }
}
