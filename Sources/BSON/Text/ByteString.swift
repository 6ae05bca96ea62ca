/// A text whose identity is its UTF-8 bytes, as it is for MongoDB, for Linux and for Python: é as one character and as
/// e with an accent are two names, and a `/` separates whatever accent stands behind it. `String` sees neither.
///
/// Whatever is stored or named by people is compared, hashed, cut and searched as one of these; `text` is for showing
/// it and for calls that take a `String`.
public struct ByteString: Hashable, Comparable, Sendable {
    public let text: String

    public init(_ text: some StringProtocol) {
        self.text = String(text)
    }

    public static func == (one: ByteString, other: ByteString) -> Bool {
        one.text.utf8.count == other.text.utf8.count && one.text.utf8.elementsEqual(other.text.utf8)
    }

    /// In the order of MongoDB and of Python.
    public static func < (one: ByteString, other: ByteString) -> Bool {
        one.text.utf8.lexicographicallyPrecedes(other.text.utf8)
    }

    public func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        // No text holds it: two in a row are not another pair.
        hasher.combine(0xFF as UInt8)
    }

    public func hasPrefix(_ start: ByteString) -> Bool { text.utf8.starts(with: start.text.utf8) }

    public func hasSuffix(_ end: ByteString) -> Bool {
        text.utf8.count >= end.text.utf8.count && text.utf8.suffix(end.text.utf8.count).elementsEqual(end.text.utf8)
    }

    /// - Precondition: `mark`, here and below, is of ASCII, which no part of another character's bytes is.
    public func contains(_ mark: Unicode.Scalar) -> Bool { text.utf8.contains(UInt8(ascii: mark)) }

    public func split(
        separator mark: Unicode.Scalar,
        maxSplits: Int = .max,
        omittingEmptySubsequences: Bool = true
    ) -> [ByteString] {
        text.utf8.split(
            separator: UInt8(ascii: mark),
            maxSplits: maxSplits,
            omittingEmptySubsequences: omittingEmptySubsequences
        ).map { ByteString(Substring($0)) }
    }

    /// What stands before and behind the first mark; `nil` where there is none.
    public func cut(atFirst mark: Unicode.Scalar) -> (before: String, behind: String)? {
        text.utf8.firstIndex(of: UInt8(ascii: mark)).map(cut)
    }

    /// The same for the last one.
    public func cut(atLast mark: Unicode.Scalar) -> (before: String, behind: String)? {
        text.utf8.lastIndex(of: UInt8(ascii: mark)).map(cut)
    }

    private func cut(_ place: String.Index) -> (before: String, behind: String) {
        (String(Substring(text.utf8[..<place])), String(Substring(text.utf8[text.utf8.index(after: place)...])))
    }

    /// What is left behind so many bytes, which are those of a prefix.
    public func dropping(_ start: ByteString) -> String? {
        hasPrefix(start) ? String(Substring(text.utf8.dropFirst(start.text.utf8.count))) : nil
    }

    /// What is left before the bytes of an end.
    public func dropping(end: ByteString) -> String? {
        hasSuffix(end) ? String(Substring(text.utf8.dropLast(end.text.utf8.count))) : nil
    }
}

extension ByteString: ExpressibleByStringInterpolation, CustomStringConvertible {
    public init(stringLiteral text: String) { self.init(text) }

    public var description: String { text }
}

extension StringProtocol {
    /// The same text with its bytes as identity.
    public var bytes: ByteString { ByteString(self) }
}

extension Sequence<String> {
    /// Whether one of the texts has these bytes.
    public func hasBytes(of text: String) -> Bool { contains { $0.bytes == text.bytes } }

    /// In the order of their bytes.
    public func sortedByBytes() -> [String] { map(\.bytes).sorted().map(\.text) }

    /// Each once, the first of those with the same bytes, in their order.
    public func uniqueByBytes() -> [String] {
        var seen: Set<ByteString> = []
        return filter { seen.insert($0.bytes).inserted }
    }
}

extension Dictionary {
    /// Of pairs with texts as keys, compared by their bytes; of several with the same bytes the first counts.
    public init(firstOf pairs: some Sequence<(String, Value)>) where Key == ByteString {
        self.init(pairs.lazy.map { ($0.0.bytes, $0.1) }, uniquingKeysWith: { first, _ in first })
    }
}
