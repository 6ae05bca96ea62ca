/// An ordered list of keys and values, kept in its encoded form: passing one on, or looking up one key, copies nothing
/// else. Keys may repeat, as BSON allows; a look-up finds the first.
public struct BSONDocument: Sendable, Hashable {
    /// The encoded document: int32 length, elements, a zero byte. Always well-formed.
    public private(set) var bytes: [UInt8]

    /// The empty document.
    public init() {
        bytes = [5, 0, 0, 0, 0]
    }

    /// The empty document, with room for so many bytes: what is appended then is not moved again and again.
    public init(minimumCapacity: Int) {
        self.init()
        bytes.reserveCapacity(minimumCapacity)
    }

    /// Checks the bytes by all the rules of the specification: lengths, types, UTF-8, truth values, at most
    /// 200 levels. For bytes that a person or a program of somebody else made.
    public init(bytes: [UInt8]) throws(BSONError) {
        if let fault = BSONValidator.fault(in: bytes, strict: true) { throw fault }
        self.bytes = bytes
    }

    /// Checks the structure and the depth only: for what a server sent, where one text that is not UTF-8 must not make
    /// a whole document unreadable. Such a text reads with U+FFFD in it.
    public init(validatingStructureOf bytes: [UInt8]) throws(BSONError) {
        if let fault = BSONValidator.fault(in: bytes, strict: false) { throw fault }
        self.bytes = bytes
    }

    /// Trusts that the bytes are well-formed; `init(bytes:)` is the one that checks.
    init(unchecked bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Writes the elements in their order, repeated keys included.
    ///
    /// - Precondition: no key has a NUL character.
    public init(elements: some Sequence<(String, BSONValue)>) {
        var bytes: [UInt8] = [0, 0, 0, 0]
        for (key, value) in elements {
            BSONEncoding.append(key: key, value, to: &bytes)
        }
        BSONEncoding.close(&bytes, from: 0)
        self.bytes = bytes
    }

    /// Adds an element at the end, whether or not the key is there already.
    ///
    /// - Precondition: `key` has no NUL character.
    public mutating func append(_ key: String, _ value: BSONValue) {
        bytes.removeLast()
        BSONEncoding.append(key: key, value, to: &bytes)
        BSONEncoding.close(&bytes, from: 0)
    }

    /// The value of the first element of that name. Setting replaces it where it stands, or appends; `nil` removes it.
    public subscript(key: String) -> BSONValue? {
        get {
            guard let element = BSONScanner.find(key, in: bytes) else { return nil }
            return BSONScanner(bytes).value(of: element)
        }
        set {
            if let element = BSONScanner.find(key, in: bytes) {
                var replacement: [UInt8] = []
                if let newValue { BSONEncoding.append(key: key, newValue, to: &replacement) }
                bytes.replaceSubrange(element.start..<element.end, with: replacement)
                BSONEncoding.patchLength(&bytes, at: 0)
                return
            }
            if let newValue { append(key, newValue) }
        }
    }

    /// The keys in order, repeated ones included.
    public var keys: [String] { map(\.key) }

    public var isEmpty: Bool { bytes.count <= 5 }

    /// The number of elements; found by walking them.
    public var count: Int {
        var scanner = BSONScanner(bytes)
        var count = 0
        while scanner.next() != nil { count += 1 }
        return count
    }
}

extension BSONDocument: ExpressibleByDictionaryLiteral {
    public init(dictionaryLiteral elements: (String, BSONValue)...) {
        self.init(elements: elements)
    }
}

extension BSONDocument: Sequence {
    public struct Iterator: IteratorProtocol {
        var scanner: BSONScanner

        public mutating func next() -> (key: String, value: BSONValue)? {
            guard let element = scanner.next() else { return nil }
            return (scanner.key(of: element), scanner.value(of: element))
        }
    }

    public func makeIterator() -> Iterator {
        Iterator(scanner: BSONScanner(bytes))
    }
}
