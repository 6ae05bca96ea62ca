import BSON
import Console
import Testing

@Suite struct ConsoleTests {
    @Test func aTableIsAlignedAndCutsElasticColumnsToTheWidth() {
        var table = Table([.init("ID"), .init("N", isRightAligned: true), .init("TEXT", isElastic: true)])
        table.rows = [["a", "1", "short"], ["bcd", "20", "a text that is too long for it"]]
        #expect(table.text(width: nil) == "ID    N  TEXT\na     1  short\nbcd  20  a text that is too long for it\n")
        #expect(table.text(width: 20) == "ID    N  TEXT\na     1  short\nbcd  20  a text tha…\n")
        #expect(table.text(width: 5).split(separator: "\n")[2] == "bcd  20  a text …")
    }

    @Test func wideCharactersTakeTwoColumns() {
        #expect(TerminalText.width("日本") == 4)
        #expect(TerminalText.width("e\u{301}") == 1)
        #expect(TerminalText.truncated("日本語", to: 5) == "日本…")
    }

    @Test func textOfOneLineHasNoControlCharacters() {
        #expect(TerminalText.oneLine("a\tb\u{7F}\u{9B}c\u{202E}") == "a\\tb\\u{7f}\\u{9b}c\\u{202e}")
    }

    @Test(arguments: [
        ("plain", "plain"), ("\u{1B}[1;31mred\u{1B}[0m", "\u{1B}[1;31mred\u{1B}[0m\u{1B}[0m"),
        ("\u{1B}[2Jwiped", "wiped"),
        ("\u{1B}]0;title\u{07}text", "text"), ("\u{1B}]0;title\u{1B}\\text", "text"), ("\u{1B}P1$q\u{1B}\\x", "x"),
        ("a\u{0}b\u{8}c", "abc"), ("\u{1B}[", ""), ("\u{1B}[31", ""), ("\u{1B}c", ""), ("\u{9B}2Jx", "2Jx"),
        ("a\tb", "a\tb"),
    ])
    func aScriptsLineKeepsColoursAndNothingElse(_ line: String, _ shown: String) {
        #expect(TerminalText.scriptLine(line.utf8) == shown)
    }

    @Test func invalidUTF8IsShownAsReplacementCharacters() {
        #expect(TerminalText.scriptLine([0x61, 0xFF, 0x62]) == "a\u{FFFD}b")
    }

    /// However the bytes are cut into chunks.
    @Test(arguments: 1...5)
    func linesKeepTheirLastState(_ size: Int) {
        var reader = OutputLines()
        var lines: [String] = []
        let bytes = Array("one\n1%\r2%\r\n\n\rx\r\r\nlast\r".utf8)
        for start in stride(from: 0, to: bytes.count, by: size) {
            reader.add(bytes[start..<min(bytes.count, start + size)]) {
                lines.append(String(decoding: $0, as: UTF8.self))
            }
        }
        reader.finish { lines.append(String(decoding: $0, as: UTF8.self)) }
        #expect(lines == ["one", "2%", "", "x", "last"])
    }

    @Test func aLineWithoutEndComesInPieces() {
        var reader = OutputLines()
        var sizes: [Int] = []
        reader.add([UInt8](repeating: 0x61, count: OutputLines.longest * 2 + 1)) { sizes.append($0.count) }
        reader.finish { sizes.append($0.count) }
        #expect(sizes == [OutputLines.longest, OutputLines.longest, 1])
    }

    @Test func fieldsOfCSVAreQuotedWhereTheyMustBe() {
        #expect(CSV.text([["a", "b,c", "d\"e", "f\ng", ""]]) == "a,\"b,c\",\"d\"\"e\",\"f\ng\",\n")
    }

    @Test(arguments: [
        (Duration.milliseconds(5), "5ms"), (.seconds(59), "59s"), (.seconds(192), "3m12s"), (.seconds(7500), "2h05m"),
        (.seconds(356_400), "4d03h"), (.seconds(-5), "0ms"),
    ])
    func durationsAreShort(_ duration: Duration, _ text: String) {
        #expect(duration.shortText == text)
    }
}
