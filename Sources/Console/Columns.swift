package import BSON

/// Names of columns in the order in which they are met, each once. They are told apart by their bytes.
package struct Columns: Sendable {
    package private(set) var names: [String] = []
    private var places: [ByteString: Int] = [:]

    package init(_ names: [String] = []) {
        for name in names { insert(name) }
    }

    package mutating func insert(_ name: String) {
        let key = name.bytes
        if places[key] != nil { return }
        places[key] = names.count
        names.append(name)
    }

    package func contains(_ name: String) -> Bool { places[name.bytes] != nil }

    /// As many as there are columns; `nil` where there is no value.
    package func cells(_ values: [(key: String, value: BSONValue)]) -> [BSONValue?] {
        var cells = [BSONValue?](repeating: nil, count: names.count)
        for (key, value) in values {
            if let place = places[key.bytes] { cells[place] = value }
        }
        return cells
    }
}

extension BSONDocument {
    /// The fields with those of documents one level down, as `optimizer.lr`.
    ///
    /// No two have one name, and a name tells the keys: a dot within a key is written `\.`, a backslash `\\`, and the
    /// second field of one key, which another program may have written, `key\#2`.
    package var flattened: [(key: String, value: BSONValue)] {
        named.flatMap { key, value -> [(key: String, value: BSONValue)] in
            guard case .document(let inner) = value, !inner.isEmpty else { return [(key, value)] }
            return inner.named.map { ("\(key).\($0.key)", $0.value) }
        }
    }

    private var named: [(key: String, value: BSONValue)] {
        var counts: [ByteString: Int] = [:]
        return map { key, value in
            let number = (counts[key.bytes] ?? 0) + 1
            counts[key.bytes] = number
            return (Self.escaped(key) + (number > 1 ? "\\#\(number)" : ""), value)
        }
    }

    private static func escaped(_ key: String) -> String {
        guard key.utf8.contains(where: { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "\\") }) else { return key }
        var result: [UInt8] = []
        for byte in key.utf8 {
            if byte == UInt8(ascii: ".") || byte == UInt8(ascii: "\\") { result.append(UInt8(ascii: "\\")) }
            result.append(byte)
        }
        return String(decoding: result, as: UTF8.self)
    }
}
