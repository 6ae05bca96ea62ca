/// Turns a script's output, as it comes, into lines as a person saw them: of a progress bar that overwrites itself with
/// carriage returns only the last state remains.
package struct OutputLines: Sendable {
    /// The latest state of the line that is not ended yet, or the rest of one whose beginning went already.
    package private(set) var unfinished: [UInt8] = []
    /// A carriage return came, and nothing behind it yet.
    private var isReturned = false
    /// The beginning of this line went already.
    private var isBegun = false
    private let longest: Int

    /// Bytes of a line that are held: what is longer goes piece by piece, each cut between two letters.
    package static let longest = 64 << 20

    package init(longest: Int = longest) {
        self.longest = longest
    }

    /// - Parameter body: Takes a line, or a piece of one that goes on in the next call.
    package mutating func add(_ bytes: some Sequence<UInt8>, _ body: (_ line: [UInt8], _ goesOn: Bool) -> Void) {
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\n"): end(body)
            case UInt8(ascii: "\r"): isReturned = true
            default:
                if isReturned {
                    isReturned = false
                    // What went cannot be overwritten any more.
                    if isBegun {
                        unfinished.append(UInt8(ascii: "\r"))
                    } else {
                        unfinished.removeAll(keepingCapacity: true)
                    }
                }
                if unfinished.count >= longest { passOn(body) }
                unfinished.append(byte)
            }
        }
    }

    /// What is left at the end of the output.
    package mutating func finish(_ body: (_ line: [UInt8], _ goesOn: Bool) -> Void) {
        if !unfinished.isEmpty || isBegun { end(body) }
    }

    private mutating func end(_ body: (_ line: [UInt8], _ goesOn: Bool) -> Void) {
        body(unfinished, false)
        unfinished.removeAll(keepingCapacity: unfinished.count < 1 << 20)
        isReturned = false
        isBegun = false
    }

    private mutating func passOn(_ body: (_ line: [UInt8], _ goesOn: Bool) -> Void) {
        // The bytes of a letter, at most four, stay together.
        let rest = unfinished.suffix(4)
        let start = rest.lastIndex { $0 & 0xC0 != 0x80 } ?? unfinished.endIndex
        let letter = unfinished[start...]
        let length = letter.first.map { $0 < 0xC0 ? 1 : $0 < 0xE0 ? 2 : $0 < 0xF0 ? 3 : 4 } ?? 0
        let isWhole = letter.count >= length || start == 0
        body(isWhole ? unfinished : Array(unfinished[..<start]), true)
        unfinished = isWhole ? [] : Array(letter)
        isBegun = true
    }
}
