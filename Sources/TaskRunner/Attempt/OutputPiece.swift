/// A piece of a script's output.
package struct OutputPiece: Sendable, Equatable {
    /// Where it begins in all that the script has printed.
    package var offset: Int64
    package var data: [UInt8]
}
