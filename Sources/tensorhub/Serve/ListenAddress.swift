import Console

/// `host:port` of a command line.
struct ListenAddress: Sendable, Hashable {
    /// Without the brackets of an IPv6 address.
    var host: String
    var port: Int

    /// - Parameter allowsAny: Whether others than loopback addresses will do: what is not encrypted stays on the
    ///   machine.
    init(_ text: String, allowsAny: Bool) throws(CommandFailure) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (0...65_535).contains(port)
        else { throw .badInput("--listen '\(text)' is no address; write 127.0.0.1:8321, or port 0 for a free one") }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        if host.isEmpty { throw .badInput("--listen '\(text)' has no host; write 127.0.0.1:\(port)") }
        self.host = host
        self.port = port
        if !isLoopback, !allowsAny {
            throw .badInput(
                "--listen \(text) can be reached from other machines, and the token would travel in the clear; "
                    + "give --tls-certificate and --tls-key, or listen on 127.0.0.1"
            )
        }
    }

    var isLoopback: Bool {
        if host == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// For addresses of the Web.
    func url(scheme: String, port: Int) -> String {
        "\(scheme)://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    }
}
