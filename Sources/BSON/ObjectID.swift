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
        var bytes: [UInt8] = []
        bytes.reserveCapacity(12)
        var high: UInt8?
        guard text.utf8.count == 24 else { return nil }
        for character in text.utf8 {
            let digit: UInt8
            switch character {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = character - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = character - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = character - UInt8(ascii: "A") + 10
            default: return nil
            }
            if let first = high {
                bytes.append(first << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
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
    public var description: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(
            decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] },
            as: UTF8.self
        )
    }
}
