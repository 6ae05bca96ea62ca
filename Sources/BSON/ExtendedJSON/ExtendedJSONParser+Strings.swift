extension ExtendedJSONParser {
    mutating func string() throws(BSONError) -> String {
        var bytes: [UInt8] = []
        try string(into: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// From the opening to behind the closing quotation mark.
    mutating func string(into bytes: inout [UInt8]) throws(BSONError) {
        let opening = position
        position += 1
        while true {
            let start = position
            while let character = peek, character >= 0x20, character != UInt8(ascii: "\""),
                character != UInt8(ascii: "\\")
            {
                position += 1
            }
            bytes.append(contentsOf: text[start..<position])
            switch peek {
            case UInt8(ascii: "\""):
                position += 1
                return
            case UInt8(ascii: "\\"):
                position += 1
                try escape(into: &bytes)
            case nil: throw error(at: opening, "the text that begins here has no closing quotation mark")
            default: throw error(at: position, "a control character in a text must be escaped")
            }
        }
    }

    private mutating func escape(into bytes: inout [UInt8]) throws(BSONError) {
        guard let character = peek else { throw expected("an escape sequence") }
        switch character {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes.append(character)
        case UInt8(ascii: "b"): bytes.append(0x08)
        case UInt8(ascii: "f"): bytes.append(0x0C)
        case UInt8(ascii: "n"): bytes.append(0x0A)
        case UInt8(ascii: "r"): bytes.append(0x0D)
        case UInt8(ascii: "t"): bytes.append(0x09)
        case UInt8(ascii: "u"):
            bytes.append(contentsOf: String(try unicodeEscape()).utf8)
            return
        default: throw expected("one of the escape sequences of JSON")
        }
        position += 1
    }

    /// The `u` and four digits, and a second escape where the first is a high surrogate.
    private mutating func unicodeEscape() throws(BSONError) -> Character {
        let start = position - 1
        var code = try hexadecimal()
        if (0xD800..<0xDC00).contains(code), skip("\\") {
            guard peek == UInt8(ascii: "u") else { throw expected("the second half of a surrogate pair") }
            let low = try hexadecimal()
            guard (0xDC00..<0xE000).contains(low) else { throw error(at: start, "a surrogate without its other half") }
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw error(at: start, "a surrogate without its other half") }
        return Character(scalar)
    }

    private mutating func hexadecimal() throws(BSONError) -> UInt32 {
        position += 1
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = peek.flatMap({ Character(Unicode.Scalar($0)).hexDigitValue }) else {
                throw expected("four hexadecimal digits")
            }
            code = code << 4 | UInt32(digit)
            position += 1
        }
        return code
    }
}
