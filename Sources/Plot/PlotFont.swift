/// A font of 5 by 8 dots, twice as large and with its corners smoothed.
enum PlotFont {
    static let width = 10
    static let gap = 2
    static let advance = width + gap
    /// Rows of a capital letter; below it are two for the tails of g, p and y.
    static let ascent = 14

    /// The rows of a character, the leftmost dot in the lowest bit.
    static func glyph(_ character: Character) -> [UInt16] {
        let code = character.asciiValue.map(Int.init) ?? 63
        return glyphs[(32..<127).contains(code) ? code - 32 : 31]
    }

    private static let glyphs: [[UInt16]] = (0..<95).map { index in
        let start = columns.index(columns.startIndex, offsetBy: index * 10)
        let bytes = (0..<5).map { column -> UInt8 in
            let from = columns.index(start, offsetBy: column * 2)
            return UInt8(columns[from..<columns.index(from, offsetBy: 2)], radix: 16) ?? 0
        }
        return enlarged { x, y in
            (0..<5).contains(x) && (0..<8).contains(y) && bytes[x] >> UInt8(y) & 1 == 1
        }
    }

    /// Scale2x: a dot becomes four, and each takes the colour of the two neighbours at its corner where they agree.
    private static func enlarged(_ dot: (_ x: Int, _ y: Int) -> Bool) -> [UInt16] {
        var rows = Array(repeating: UInt16(0), count: 16)
        for y in 0..<8 {
            for x in 0..<5 {
                let (up, down, left, right) = (dot(x, y - 1), dot(x, y + 1), dot(x - 1, y), dot(x + 1, y))
                let here = dot(x, y)
                let isCorner = up != down && left != right
                let four = [
                    isCorner && up == left ? left : here, isCorner && up == right ? right : here,
                    isCorner && down == left ? left : here, isCorner && down == right ? right : here,
                ]
                for (place, isSet) in four.enumerated() where isSet {
                    rows[2 * y + place / 2] |= 1 << UInt16(2 * x + place % 2)
                }
            }
        }
        return rows
    }

    /// The characters from the space to the tilde, each five columns of eight dots, the topmost in the lowest bit: the
    /// common shapes of character displays.
    private static let columns =
        "000000000000005F00000007000700147F147F14242A7F2A12231308646236495620500008070300001C2241000041221C00"
        + "2A1C7F1C2A08083E080800807030000808080808000060600020100804023E5149453E00427F400072494949462141494D33"
        + "1814127F1027454545393C4A49493141211109073649494936464949291E0000140000004034000000081422411414141414"
        + "004122140802015909063E415D594E7C1211127C7F494949363E414141227F4141413E7F494949417F090909013E41415173"
        + "7F0808087F00417F41002040413F017F081422417F404040407F021C027F7F0408107F3E4141413E7F090909063E4151215E"
        + "7F09192946264949493203017F01033F4040403F1F2040201F3F4038403F631408146303047804036159494D43007F414141"
        + "0204081020004141417F04020102044040404040000307080020545478407F284444383844444428384444287F3854545418"
        + "00087E090218A4A49C787F0804047800447D40002040403D007F1028440000417F40007C047804787C080404783844444438"
        + "FC1824241818242418FC7C08040408485454542404043F44243C4040207C1C2040201C3C4030403C44281028444C9090907C"
        + "4464544C440008364100000077000000413608000201020402"
}
