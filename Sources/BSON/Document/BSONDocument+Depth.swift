extension BSONDocument {
    /// Whether documents and arrays lie within each other in more levels than that, this one counted.
    public func isNested(deeperThan levels: Int) -> Bool {
        Self.isNested(BSONScanner(bytes), deeperThan: levels)
    }

    private static func isNested(_ scanner: BSONScanner, deeperThan levels: Int) -> Bool {
        if levels < 1 { return true }
        var scanner = scanner
        while let element = scanner.next() {
            guard element.type == .document || element.type == .array else { continue }
            if isNested(scanner.nested(element), deeperThan: levels - 1) { return true }
        }
        return false
    }
}
