/// Turns a script's output, as it comes, into lines as a person saw them: of a progress bar that overwrites itself with
/// carriage returns only the last state remains.
package struct OutputLines: Sendable {
    /// The latest state of the line that is not ended yet.
    package private(set) var unfinished: [UInt8] = []
    /// A carriage return came, and nothing behind it yet.
    private var isReturned = false

    /// Bytes: longer lines come in pieces, so that memory stays bounded.
    package static let longest = 64 * 1024

    package init() {}

    package mutating func add(_ bytes: some Sequence<UInt8>, _ body: (_ line: [UInt8]) -> Void) {
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\n"): end(body)
            case UInt8(ascii: "\r"): isReturned = true
            default:
                if isReturned {
                    unfinished.removeAll(keepingCapacity: true)
                    isReturned = false
                } else if unfinished.count >= Self.longest {
                    end(body)
                }
                unfinished.append(byte)
            }
        }
    }

    /// What is left at the end of the output.
    package mutating func finish(_ body: (_ line: [UInt8]) -> Void) {
        if !unfinished.isEmpty { end(body) }
    }

    private mutating func end(_ body: (_ line: [UInt8]) -> Void) {
        body(unfinished)
        unfinished.removeAll(keepingCapacity: true)
        isReturned = false
    }
}
