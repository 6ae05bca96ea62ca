/// The same numbers on every run, so that a failure can be repeated by its seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var bits = state
        bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
        return bits ^ (bits >> 31)
    }
}

/// Damages bytes in the ways that transmission errors and attackers do.
enum Mutation {
    static func mutate(_ bytes: inout [UInt8], with other: [UInt8], using generator: inout SeededGenerator) {
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            guard !bytes.isEmpty else { return }
            let place = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<7, using: &generator) {
            case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 1: bytes[place] = .random(in: 0...255, using: &generator)
            case 2: bytes.insert(.random(in: 0...255, using: &generator), at: place)
            case 3: bytes.remove(at: place)
            case 4: bytes.removeLast(min(bytes.count, place))
            case 5: overwriteLength(&bytes, at: place, using: &generator)
            default:
                let start = Int.random(in: 0..<other.count, using: &generator)
                bytes.replaceSubrange(place..., with: other[start...])
            }
        }
    }

    /// Makes the outer length right, so that the fault inside is reached.
    static func repairLength(_ bytes: inout [UInt8]) {
        guard bytes.count >= 5 else { return }
        for index in 0..<4 { bytes[index] = UInt8(truncatingIfNeeded: bytes.count >> (8 * index)) }
        bytes[bytes.count - 1] = 0
    }

    private static func overwriteLength(_ bytes: inout [UInt8], at place: Int, using generator: inout SeededGenerator) {
        let lengths: [Int32] = [
            0, 1, 4, 5, -1, .min, .max, .max - 3, 0x100, Int32(bytes.count), Int32(bytes.count - place),
        ]
        guard place + 4 <= bytes.count, let length = lengths.randomElement(using: &generator) else { return }
        for index in 0..<4 { bytes[place + index] = UInt8(truncatingIfNeeded: length >> (8 * Int32(index))) }
    }
}
