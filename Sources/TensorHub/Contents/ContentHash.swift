/// SHA-256 of content that passes by in order, on whatever thread has the next piece.
///
/// `@unchecked Sendable`: order is what it is about, so nobody gives it a piece before the last one is in.
final class ContentHash: @unchecked Sendable {
    private var state: SHA256? = SHA256()

    func update(_ bytes: UnsafeRawBufferPointer) {
        state?.update(bytes)
    }

    /// Ends it, once.
    ///
    /// - Returns: 64 hexadecimal digits.
    func finish() -> String {
        guard let hash = state.take() else { return "" }
        return hash.finish()
    }

    /// Whether a text is 64 hexadecimal digits in lower case.
    static func isValid(_ text: String) -> Bool {
        text.utf8.count == 64
            && text.utf8.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }
}
