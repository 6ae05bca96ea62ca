/// The twelve bytes that identify a document: seconds since 1970, a random number per process, a counter.
public struct ObjectID: Sendable, Hashable {
    /// The first eight bytes, big endian.
    @usableFromInline let head: UInt64
    /// The last four bytes, big endian.
    @usableFromInline let tail: UInt32

    init(head: UInt64, tail: UInt32) {
        self.head = head
        self.tail = tail
    }

    /// Twelve bytes in document order; `nil` for any other count.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 12 else { return nil }
        var head: UInt64 = 0
        var tail: UInt32 = 0
        for (index, byte) in bytes.enumerated() {
            if index < 8 { head = head << 8 | UInt64(byte) } else { tail = tail << 8 | UInt32(byte) }
        }
        self.init(head: head, tail: tail)
    }

    /// Twenty-four hexadecimal digits, in either case; `nil` for anything else.
    public init?(_ text: String) {
        guard text.utf8.count == 24, let bytes = Hexadecimal.bytes(text.utf8) else { return nil }
        self.init(bytes: bytes)
    }

    /// The twelve bytes in document order.
    public var bytes: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(12)
        for shift in stride(from: 56, through: 0, by: -8) { result.append(UInt8(truncatingIfNeeded: head >> shift)) }
        for shift in stride(from: 24, through: 0, by: -8) { result.append(UInt8(truncatingIfNeeded: tail >> shift)) }
        return result
    }

    /// Seconds since 1970 by the clock of the program that made the identifier.
    public var secondsSince1970: UInt32 { UInt32(head >> 32) }
}

extension ObjectID: Comparable, CustomStringConvertible {
    public static func < (lhs: Self, rhs: Self) -> Bool {
        (lhs.head, lhs.tail) < (rhs.head, rhs.tail)
    }

    /// Twenty-four lower-case hexadecimal digits.
    public var description: String { Hexadecimal.text(bytes) }
}
