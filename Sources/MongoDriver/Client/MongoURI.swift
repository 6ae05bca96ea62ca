import BSON
import CLibMongoC
import Glibc
import Synchronization

/// A connection string that libmongoc has parsed. Everything in it (SRV, TLS, authentication, replica set) is
/// libmongoc's.
struct MongoURI: ~Copyable {
    let pointer: OpaquePointer

    init(_ text: String) throws(MongoError) {
        _ = LibMongoC.initialize
        guard !text.utf8.contains(0) else { throw MongoError(.invalidURI, "the URI holds a NUL character") }
        var error = bson_error_t()
        let thread = pthread_self()
        LibMongoC.parsing.withLock { _ = $0.insert(thread) }
        let parsed = mongoc_uri_new_with_error(text, &error)
        LibMongoC.parsing.withLock { _ = $0.remove(thread) }
        guard let pointer = parsed else {
            throw MongoError(.invalidURI, Self.explain(error.text, of: text))
        }
        // The end of a password that is not percent-encoded; it must not come up in messages as the name of a host.
        let hasCutLogin = mongoc_uri_get_username(pointer) == nil && Self.looksCut(text)
        guard !Self.hosts(pointer).contains("@"), !hasCutLogin else {
            mongoc_uri_destroy(pointer)
            throw MongoError(.invalidURI, "a host has an @; user name and password must be percent-encoded")
        }
        self.pointer = pointer
    }

    deinit { mongoc_uri_destroy(pointer) }

    /// The database of the path, which is also where a user without `authSource` is looked up.
    var database: String? { mongoc_uri_get_database(pointer).map { String(cString: $0) } }

    /// The user for sentences; `nil` where there is none. What stands behind a colon is a password that was encoded
    /// with it.
    var user: String? {
        guard let name = mongoc_uri_get_username(pointer).map({ String(cString: $0) }), !name.isEmpty else {
            return nil
        }
        let colon = name.utf8.firstIndex(of: UInt8(ascii: ":"))
        return ServerText.oneLine(colon.map { String(name[..<$0]) + ":***" } ?? name)
    }

    var hasMechanism: Bool { mongoc_uri_get_auth_mechanism(pointer) != nil }

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

    /// Sets the option, whatever the URI says.
    func set(_ option: String, _ value: Duration) {
        mongoc_uri_set_option_as_int32(pointer, option, value.milliseconds32)
    }

    /// Whether a slash of a login was taken for the end of the hosts: an `@` follows in the name of the database, or in
    /// an option that there is not.
    private static func looksCut(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard let scheme = bytes.range(of: Array("://".utf8)) else { return false }
        let path = bytes[scheme.upperBound...].drop { $0 != UInt8(ascii: "/") }
        let parts = path.split(separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
        if parts.first?.contains(UInt8(ascii: "@")) == true { return true }
        return parts.dropFirst().joined().split(separator: UInt8(ascii: "&")).contains { option in
            let name = option.prefix { $0 != UInt8(ascii: "=") }
            return option.contains(UInt8(ascii: "@")) && !isOption(String(decoding: name, as: UTF8.self))
        }
    }

    /// The text with passwords replaced by `***`. Only for a URI that parsed: then the first `@` ends the user.
    static func redact(_ text: String) -> String {
        guard let schemeEnd = text.range(of: "://") else { return "***" }
        var rest = text[schemeEnd.upperBound...]
        var result = String(text[..<schemeEnd.upperBound])
        // As libmongoc has it: a question mark does not end them.
        let authorityEnd = rest.utf8.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
        if let at = rest[..<authorityEnd].utf8.lastIndex(of: UInt8(ascii: "@")) {
            let login = rest[..<at]
            if let colon = login.utf8.firstIndex(of: UInt8(ascii: ":")) {
                result += login[...colon] + "***"
            } else if login.lowercased().contains("%3a") {
                result += "***"
            } else {
                result += login
            }
            rest = rest[at...]
        }
        guard let question = rest.utf8.firstIndex(of: UInt8(ascii: "?")) else { return result + rest }
        result += rest[...question]
        let options = rest[rest.utf8.index(after: question)...].bytes.split(
            separator: "&",
            omittingEmptySubsequences: false
        )
        return result
            + options.map { option in
                isSecret(option: option.text) ? "\(option.cut(atFirst: "=")?.before ?? "")=***" : option.text
            }.joined(separator: "&")
    }

    /// Whether an option, as `name=value`, holds what nobody may see. A name with an escape may be any.
    static func isSecret(option: String) -> Bool {
        guard let equals = option.utf8.firstIndex(of: UInt8(ascii: "=")) else { return false }
        let name = option[..<equals].lowercased()
        return name.contains("password") || name.contains("token") || name.contains("secret") || name.contains("%")
            || name == "authmechanismproperties" || name == "gssapiservicename"
            || option[equals...].lowercased().contains("password")
    }

    /// One sentence on a URI that did not parse, without anything of it but the names of options.
    static func explain(_ reason: String, of text: String) -> String {
        guard text.bytes.hasPrefix("mongodb://") || text.bytes.hasPrefix("mongodb+srv://") else {
            return "the URI must begin with mongodb:// or mongodb+srv://"
        }
        let reason = withoutQuotations(reason)
        let what = reason.isEmpty ? "the URI cannot be parsed" : reason
        let hasLogin = text.utf8.contains(UInt8(ascii: "@"))
        return hasLogin ? "\(what) (user name and password must be percent-encoded)" : what
    }

    /// What libmongoc says up to where it begins to quote; the name of an option that it knows stays.
    static func withoutQuotations(_ reason: String) -> String {
        let bytes = Array(reason.utf8)
        guard let quote = bytes.firstIndex(where: { "'\"".utf8.contains($0) }) else { return reason }
        let start = String(decoding: bytes[..<quote], as: UTF8.self)
        let word = String(
            decoding: bytes[(quote + 1)...].prefix { $0 != bytes[quote] && $0 != UInt8(ascii: "=") },
            as: UTF8.self
        )
        return isOption(word) ? "\(start)\"\(word)\"" : start + "\"***\""
    }

    private static func isOption(_ name: String) -> Bool {
        ["authsource", "authmechanism", "authmechanismproperties", "ssl", "w"].contains(name.lowercased())
            || mongoc_uri_option_is_int32(name) || mongoc_uri_option_is_int64(name) || mongoc_uri_option_is_bool(name)
            || mongoc_uri_option_is_utf8(name)
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
