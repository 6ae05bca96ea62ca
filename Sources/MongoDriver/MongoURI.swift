import BSON
import CLibMongoC

/// A connection string that libmongoc has parsed. Everything in it (SRV, TLS, authentication, replica set) is libmongoc's.
struct MongoURI: ~Copyable {
    let pointer: OpaquePointer

    init(_ text: String) throws(MongoError) {
        _ = LibMongoC.initialize
        guard !text.utf8.contains(0) else { throw MongoError(.invalidURI, "the URI holds a NUL character") }
        var error = bson_error_t()
        guard let pointer = mongoc_uri_new_with_error(text, &error) else {
            throw MongoError(.invalidURI, Self.explain(error.text, of: text))
        }
        // The end of a password that is not percent-encoded; it must not come up in messages as the name of a host.
        guard !Self.hosts(pointer).contains("@") else {
            mongoc_uri_destroy(pointer)
            throw MongoError(.invalidURI, "a host has an @; user name and password must be percent-encoded")
        }
        self.pointer = pointer
    }

    deinit { mongoc_uri_destroy(pointer) }

    /// The database of the path, which is also where a user without `authSource` is looked up.
    var database: String? { mongoc_uri_get_database(pointer).map { String(cString: $0) } }

    /// The servers as in the URI, separated by commas; for SRV its name.
    var hosts: String { Self.hosts(pointer) }

    private static func hosts(_ pointer: OpaquePointer) -> String {
        if let service = mongoc_uri_get_srv_hostname(pointer) { return String(cString: service) }
        var names: [String] = []
        var next = mongoc_uri_get_hosts(pointer)
        while let host = next?.pointee {
            names.append(
                withUnsafeBytes(of: host.host_and_port) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            )
            next = UnsafePointer(host.next)
        }
        return names.joined(separator: ",")
    }

    func text(_ option: String) -> String? {
        mongoc_uri_get_option_as_utf8(pointer, option, nil).map { String(cString: $0) }
    }

    func has(_ option: String) -> Bool { mongoc_uri_has_option(pointer, option) }

    func milliseconds(_ option: String, default fallback: Duration) -> Duration {
        .milliseconds(mongoc_uri_get_option_as_int32(pointer, option, fallback.milliseconds32))
    }

    func number(_ option: String) -> Int? {
        has(option) ? Int(mongoc_uri_get_option_as_int32(pointer, option, 0)) : nil
    }

    /// Sets the option unless the URI has it, or has it as 0, which libmongoc takes for "its own default".
    func setDefault(_ option: String, _ value: Duration) {
        if !has(option) { mongoc_uri_set_option_as_int32(pointer, option, value.milliseconds32) }
    }

    /// The text with passwords replaced by `***`. Only for a URI that parsed: then the first `@` ends the user.
    static func redact(_ text: String) -> String {
        guard let schemeEnd = text.range(of: "://") else { return "***" }
        var rest = text[schemeEnd.upperBound...]
        var result = String(text[..<schemeEnd.upperBound])
        let authorityEnd = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        if let at = rest[..<authorityEnd].lastIndex(of: "@") {
            if let colon = rest[..<at].firstIndex(of: ":") {
                result += rest[...colon] + "***"
            } else {
                result += rest[..<at]
            }
            rest = rest[at...]
        }
        guard let question = rest.firstIndex(of: "?") else { return result + rest }
        result += rest[...question]
        let options = rest[rest.index(after: question)...].split(separator: "&", omittingEmptySubsequences: false)
        return result
            + options.map { option in
                let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                let name = parts[0].lowercased()
                let secret = name.contains("password") || name == "authmechanismproperties"
                return secret && parts.count == 2 ? "\(parts[0])=***" : String(option)
            }.joined(separator: "&")
    }

    /// One sentence on a URI that did not parse, without its password: libmongoc quotes parts of the URI.
    static func explain(_ reason: String, of text: String) -> String {
        guard text.hasPrefix("mongodb://") || text.hasPrefix("mongodb+srv://") else {
            return "the URI must begin with mongodb:// or mongodb+srv://"
        }
        let advice = "user name and password must be percent-encoded"
        guard let at = text.lastIndex(of: "@"), let scheme = text.range(of: "://") else {
            return reason.isEmpty ? "the URI cannot be parsed" : reason
        }
        let credentials = text[scheme.upperBound..<max(at, scheme.upperBound)]
        let colon = credentials.firstIndex(of: ":") ?? credentials.startIndex
        let pieces = credentials[colon...].split { ":@/?&=,%".contains($0) }
        let leaks = pieces.contains { reason.contains($0) } || text.lowercased().contains("password=")
        return leaks || reason.isEmpty ? "the URI cannot be parsed; \(advice)" : "\(reason) (\(advice))"
    }
}

extension String {
    /// The first place of `part`; Foundation has it, but is not worth its memory.
    fileprivate func range(of part: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(part) { return start..<index(start, offsetBy: part.count) }
            start = index(after: start)
        }
        return nil
    }
}

extension Duration {
    /// Whole milliseconds, from 0 to the largest int32.
    var milliseconds32: Int32 { Int32(clamping: Swift.max(0, milliseconds)) }

    /// Whole milliseconds.
    var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        return overflow ? (seconds < 0 ? .min : .max) : product &+ attoseconds / 1_000_000_000_000_000
    }
}
