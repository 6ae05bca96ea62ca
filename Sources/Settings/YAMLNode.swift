import BSON

/// One value of a YAML file, with the line on which it starts.
package struct YAMLNode: Sendable {
    package enum Value: Sendable {
        /// `isPlain`: written without quotes, so that `5` may be a number and `"5"` may not.
        case scalar(String, isPlain: Bool)
        case list([YAMLNode])
        case mapping([YAMLEntry])
    }

    package var value: Value
    /// Counted from 1.
    package var line: Int
}

/// One `key: value` of a mapping. Keys of one mapping are distinct.
package struct YAMLEntry: Sendable {
    package var key: String
    /// The line of the key, counted from 1.
    package var line: Int
    package var value: YAMLNode
}

extension YAMLNode {
    /// What the node is, for messages.
    var kindName: String {
        switch value {
        case .scalar(let text, let isPlain): isPlain && Self.isNull(text) ? "nothing" : "a single value"
        case .list: "a list"
        case .mapping: "a mapping"
        }
    }

    /// How YAML 1.2 writes "no value".
    static func isNull(_ text: String) -> Bool {
        text.isEmpty || text == "~" || text == "null" || text == "Null" || text == "NULL"
    }

    /// The node as JSON, unquoted scalars typed as YAML 1.2 types them, so that a filter may be written as YAML and is
    /// read by the same rules as one written as Extended JSON.
    var json: String {
        switch value {
        case .scalar(let text, let isPlain): isPlain ? Self.json(plain: text) : Self.json(string: text)
        case .list(let nodes): "[" + nodes.map(\.json).joined(separator: ",") + "]"
        case .mapping(let entries):
            "{" + entries.map { Self.json(string: $0.key) + ":" + $0.value.json }.joined(separator: ",") + "}"
        }
    }

    private static func json(plain text: String) -> String {
        if isNull(text) { return "null" }
        switch text {
        case "true", "True", "TRUE": return "true"
        case "false", "False", "FALSE": return "false"
        default: break
        }
        return number(text) ?? json(string: text)
    }

    /// As Extended JSON has it, whose reader refuses what would become another number; `nil` for text that is none.
    private static func number(_ text: String) -> String? {
        switch text {
        case ".nan", ".NaN", ".NAN": return #"{"$numberDouble": "NaN"}"#
        case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF": return #"{"$numberDouble": "Infinity"}"#
        case "-.inf", "-.Inf", "-.INF": return #"{"$numberDouble": "-Infinity"}"#
        default: break
        }
        for (prefix, radix) in [("0x", 16), ("0o", 8)] where text.utf8.starts(with: prefix.utf8) {
            let digits = text.dropFirst(2)
            guard !digits.isEmpty, digits.utf8.allSatisfy({ Character(Unicode.Scalar($0)).hexDigitValue ?? 16 < radix })
            else { return nil }
            return Int(digits, radix: radix).map(String.init) ?? #"{"$numberLong": "\#(text)"}"#
        }
        do {
            return try WrittenNumber.value(text)?.extendedJSON(.canonical)
        } catch {
            let isWhole = text.utf8.allSatisfy { !".eE".utf8.contains($0) }
            return #"{"\#(isWhole ? "$numberLong" : "$numberDouble")": "\#(text)"}"#
        }
    }

    private static func json(string text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case _ where scalar.value < 0x20:
                let hex = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - hex.utf8.count) + hex
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}
