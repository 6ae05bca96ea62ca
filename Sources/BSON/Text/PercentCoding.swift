/// The percent encoding of addresses (RFC 3986), and that of forms, where `+` is a space.
package enum PercentCoding {
    /// Everything but letters, digits and `-._~` as its bytes in UTF-8.
    package static func encode(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                bytes.append(byte)
            default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// `nil` where two digits are missing behind a `%`, or the bytes are not UTF-8.
    package static func decode(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let decoded = Hexadecimal.bytes(rest.prefix(2))?.first else { return nil }
                rest = rest.dropFirst(2)
                bytes.append(decoded)
            case UInt8(ascii: "+") where plusIsSpace: bytes.append(UInt8(ascii: " "))
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// The names and values of a query; of a name that is given twice, the first.
    package static func query(_ text: some StringProtocol) -> [ByteString: String]? {
        var values: [ByteString: String] = [:]
        for part in text.bytes.split(separator: "&") {
            let (before, behind) = part.cut(atFirst: "=") ?? (part.text, "")
            guard let name = decode(before, plusIsSpace: true)?.bytes, let value = decode(behind, plusIsSpace: true)
            else { return nil }
            if values[name] == nil { values[name] = value }
        }
        return values
    }
}
