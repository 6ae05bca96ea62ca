import BSON

/// The numbers that JSON has no words for, as programs print them.
enum NonFinite {
    private static let words: [ByteString: Double] = [
        "nan": .nan, "+nan": .nan, "-nan": .nan, "inf": .infinity, "+inf": .infinity, "-inf": -.infinity,
        "infinity": .infinity, "+infinity": .infinity, "-infinity": -.infinity,
    ]

    /// In upper or lower case.
    static func number(_ text: String) -> Double? { words[text.lowercased().bytes] }
}
