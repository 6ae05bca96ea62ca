/// What editors, spreadsheets and shells of other systems write in front of a text.
package enum ByteOrderMark {
    /// The text behind the mark of UTF-8, where it begins with that.
    package static func dropped(from text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        text.starts(with: utf8) ? text.dropFirst(utf8.count) : text
    }

    package static let utf8: [UInt8] = [0xEF, 0xBB, 0xBF]

    /// Whether it is the beginning of UTF-16, which nothing here reads.
    package static func isWide(_ text: [UInt8]) -> Bool {
        text.starts(with: [0xFF, 0xFE]) || text.starts(with: [0xFE, 0xFF])
    }
}
