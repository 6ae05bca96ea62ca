import BSON
import Console
import TensorHub

/// A JSON object as a program writes it, on a line or in a file of its own.
enum JSONLine {
    /// Bytes: what MongoDB takes as a document.
    static let longest = 16 << 20

    /// JSON allows a name twice; the last one counts, as in most parsers. `nil` for an empty line.
    static func document(_ line: ArraySlice<UInt8>) throws(BSONError) -> BSONDocument? {
        let text = ByteOrderMark.dropped(from: line)
        if text.allSatisfy({ [0x20, 0x09, 0x0D].contains($0) }) { return nil }
        return try BSONDocument(extendedJSON: Array(text), options: .nonFinite).withoutRepeatedKeys
    }
}
