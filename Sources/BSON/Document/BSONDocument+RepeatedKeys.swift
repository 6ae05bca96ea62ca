extension BSONDocument {
    /// The first key that stands here a second time, compared as bytes; documents within are not looked at.
    public var repeatedKey: String? {
        var scanner = BSONScanner(bytes)
        var seen: Set<ArraySlice<UInt8>> = []
        while let element = scanner.next() {
            if !seen.insert(bytes[(element.start + 1)..<element.keyEnd]).inserted { return scanner.key(of: element) }
        }
        return nil
    }

    /// The same with each key once, in the documents within too. The last value counts, in the place of the first, as
    /// in Python.
    public var withoutRepeatedKeys: BSONDocument {
        // The usual document has none and is not written anew.
        guard hasRepeatedKeys(within: 0) else { return self }
        return BSONDocument(elements: onceEach())
    }

    /// These fields, and those of the other document in place of any of the same name.
    package func merging(_ other: BSONDocument) -> BSONDocument {
        if isEmpty { return other }
        return BSONDocument(elements: [self, other].flatMap { $0.map { ($0.key, $0.value) } }).withoutRepeatedKeys
    }

    /// - Parameter offset: Where the document or array begins.
    private func hasRepeatedKeys(within offset: Int, isArray: Bool = false) -> Bool {
        var scanner = BSONScanner(bytes, at: offset)
        var seen: Set<ArraySlice<UInt8>> = []
        while let element = scanner.next() {
            // What the keys of an array say is not looked at by anybody.
            if !isArray, !seen.insert(bytes[(element.start + 1)..<element.keyEnd]).inserted { return true }
            guard element.type == .document || element.type == .array else { continue }
            if hasRepeatedKeys(within: element.valueStart, isArray: element.type == .array) { return true }
        }
        return false
    }

    private func onceEach() -> [(String, BSONValue)] {
        var scanner = BSONScanner(bytes)
        var places: [ArraySlice<UInt8>: Int] = [:]
        var elements: [(String, BSONValue)] = []
        while let element = scanner.next() {
            let value = Self.onceEach(scanner.value(of: element))
            let key = bytes[(element.start + 1)..<element.keyEnd]
            if let place = places[key] {
                elements[place].1 = value
            } else {
                places[key] = elements.count
                elements.append((scanner.key(of: element), value))
            }
        }
        return elements
    }

    private static func onceEach(_ value: BSONValue) -> BSONValue {
        switch value {
        case .document(let document): .document(BSONDocument(elements: document.onceEach()))
        case .array(let values): .array(values.map(onceEach))
        default: value
        }
    }
}
