extension BSONDocument {
    /// The value at the end of a dotted path such as `hub.lease.runner` or `history.0.end`; a number selects an element
    /// of an array. `nil` where the path leads nowhere.
    public func value(atPath path: String) -> BSONValue? {
        var offset = 0
        var isArray = false
        var rest = path[...].utf8
        while true {
            let name = rest.prefix { $0 != UInt8(ascii: ".") }
            rest = rest.dropFirst(name.count)
            guard let element = element(String(Substring(name)), at: offset, isArray: isArray) else { return nil }
            guard !rest.isEmpty else { return BSONScanner(bytes, at: offset).value(of: element) }
            guard element.type == .document || element.type == .array else { return nil }
            rest.removeFirst()
            isArray = element.type == .array
            offset = element.valueStart
        }
    }

    /// Array elements are found by their place: what their keys say is not reliable.
    private func element(_ name: String, at offset: Int, isArray: Bool) -> BSONScanner.Element? {
        guard isArray else { return BSONScanner.find(name, in: bytes, at: offset) }
        guard let index = Int(name), index >= 0 else { return nil }
        var scanner = BSONScanner(bytes, at: offset)
        for _ in 0..<index where scanner.next() == nil { return nil }
        return scanner.next()
    }
}
