import Testing

@testable import HubAPI

@Suite struct ByteRangeTests {
    @Test(
        arguments: [
            (nil, ByteRange.whole), ("bytes=0-3", .part(0..<4)), ("bytes=4-", .part(4..<10)),
            ("bytes=-3", .part(7..<10)),
            ("bytes=-30", .part(0..<10)), ("bytes=5-99", .part(5..<10)), ("bytes=9-9", .part(9..<10)),
            ("bytes=10-", .unsatisfiable), ("bytes=-0", .unsatisfiable),
            ("bytes=99999999999999999999-", .unsatisfiable), ("bytes=3-2", .whole), ("bytes=0-1,3-4", .whole),
            ("bytes=a-b", .whole), ("bytes=-", .whole), ("lines=0-3", .whole), ("bytes=1-2x", .whole),
        ] as [(String?, ByteRange)]
    )
    func `A Range header is read as the standard has it`(header: String?, range: ByteRange) {
        #expect(ByteRange.parse(header, length: 10) == range)
    }

    @Test func `Nothing of an empty file can be asked for`() {
        #expect(ByteRange.parse("bytes=0-", length: 0) == .unsatisfiable)
        #expect(ByteRange.parse("bytes=-1", length: 0) == .unsatisfiable)
    }
}
