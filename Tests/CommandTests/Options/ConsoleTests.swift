import BSON
import Console
import Settings
import TestSupport
import Testing

@Suite struct ConsoleTests {
    @Test func `A table is aligned and cuts elastic columns to the width`() {
        var table = Table([.init("ID"), .init("N", isRightAligned: true), .init("TEXT", isElastic: true)])
        table.rows = [["a", "1", "short"], ["bcd", "20", "a text that is too long for it"]]
        #expect(table.text(width: nil) == "ID    N  TEXT\na     1  short\nbcd  20  a text that is too long for it\n")
        #expect(table.text(width: 20) == "ID    N  TEXT\na     1  short\nbcd  20  a text tha…\n")
        #expect(table.text(width: 5).split(separator: "\n")[2] == "bcd  20  a text …")
    }

    @Test func `Wide characters take two columns`() {
        #expect(TerminalText.width("日本") == 4)
        #expect(TerminalText.width("e\u{301}") == 1)
        #expect(TerminalText.truncated("日本語", to: 5) == "日本…")
    }

    @Test func `Text of one line has no control characters`() {
        #expect(TerminalText.oneLine("a\tb\u{7F}\u{9B}c\u{202E}") == "a\\tb\\u{7f}\\u{9b}c\\u{202e}")
    }

    @Test(arguments: [
        ("plain", "plain"), ("\u{1B}[1;31mred\u{1B}[0m", "\u{1B}[1;31mred\u{1B}[0m\u{1B}[0m"),
        ("\u{1B}[2Jwiped", "wiped"),
        ("\u{1B}]0;title\u{07}text", "text"), ("\u{1B}]0;title\u{1B}\\text", "text"), ("\u{1B}P1$q\u{1B}\\x", "x"),
        ("a\u{0}b\u{8}c", "abc"), ("\u{1B}[", ""), ("\u{1B}[31", ""), ("\u{1B}c", ""), ("\u{9B}2Jx", "2Jx"),
        ("a\tb", "a\tb"),
    ])
    func `A script's line keeps colours and nothing else`(_ line: String, _ shown: String) {
        #expect(TerminalText.scriptLine(line.utf8) == shown)
    }

    @Test func `Invalid UTF-8 is shown as replacement characters`() {
        #expect(TerminalText.scriptLine([0x61, 0xFF, 0x62]) == "a\u{FFFD}b")
    }

    /// However the bytes are cut into chunks.
    @Test(arguments: 1...5)
    func `Lines keep their last state`(_ size: Int) {
        var reader = OutputLines()
        var lines: [String] = []
        let bytes = Array("one\n1%\r2%\r\n\n\rx\r\r\nlast\r".utf8)
        for start in stride(from: 0, to: bytes.count, by: size) {
            reader.add(bytes[start..<min(bytes.count, start + size)]) { line, _ in
                lines.append(String(decoding: line, as: UTF8.self))
            }
        }
        reader.finish { line, _ in lines.append(String(decoding: line, as: UTF8.self)) }
        #expect(lines == ["one", "2%", "", "x", "last"])
    }

    @Test(arguments: [
        ("a\u{e9}\u{e9}", 4), ("\u{1F600}\u{1F600}", 4), ("abcdefghijk", 4), ("ab\u{20AC}\u{20AC}", 5),
        ("1234567\r89", 4),
    ])
    func `A line that is too long to be held comes in pieces, none of which ends within a letter`(
        _ line: String,
        _ longest: Int
    ) {
        var reader = OutputLines(longest: longest)
        var pieces: [[UInt8]] = []
        var ends: [Bool] = []
        reader.add((line + "\nend").utf8) {
            pieces.append($0)
            ends.append(!$1)
        }
        reader.finish { piece, _ in pieces.append(piece) }
        #expect(pieces.dropLast().joined().elementsEqual(line.utf8) && pieces.last == Array("end".utf8))
        #expect(pieces.count > 2 && ends.dropLast().allSatisfy { !$0 } && ends.last == true)
        #expect(pieces.allSatisfy { String(validating: $0, as: UTF8.self) != nil && $0.count <= longest })
    }

    @Test func `A cell with a NUL is JSON, and so is one that could be taken for such`() {
        #expect(CSV.text([["a\0b", "\"x\"", "\t"]]) == "\"\"\"a\\u0000b\"\"\",\"\"\"\\\"\"x\\\"\"\"\"\",\t\n")
    }

    @Test func `No two fields have one name, whatever their keys are`() {
        let elements: [(String, BSONValue)] = [
            ("a", ["b": 1]), ("a.b", 2), ("a\\", ["b": 3]), ("a\\.b", 4), ("e\u{301}", 5), ("\u{e9}", 6), ("a.b", 7),
            ("", 8), ("c", ["": 9]), ("c.", 10),
        ]
        let document = BSONDocument(elements: elements)
        let names = document.flattened.map(\.key)
        #expect(Set(names.map { Array($0.utf8) }).count == 10, "\(names)")
        #expect(names.prefix(2) == ["a.b", "a\\.b"] && names[6] == "a\\.b\\#2")
    }

    @Test func `Fields of CSV are quoted where they must be`() {
        #expect(CSV.text([["a", "b,c", "d\"e", "f\ng", ""]]) == "a,\"b,c\",\"d\"\"e\",\"f\ng\",\n")
    }

    @Test(arguments: [
        (Duration.milliseconds(5), "5ms"), (.seconds(59), "59s"), (.seconds(192), "3m12s"), (.seconds(7500), "2h05m"),
        (.seconds(356_400), "4d03h"), (.seconds(-5), "0ms"),
    ])
    func `Durations are short`(_ duration: Duration, _ text: String) {
        #expect(duration.shortText == text)
    }

    @Test func `Every duration that is printed can be read again`() {
        var random = SplitMix64(seed: 7)
        for _ in 0..<2000 {
            let milliseconds = Int64.random(in: 0..<(1 << Int.random(in: 1..<40, using: &random)), using: &random)
            let duration = Duration.milliseconds(milliseconds)
            let exact = Quantity.text(duration)
            #expect(Quantity.duration(exact) == duration, "\(exact)")
            let short = duration.shortText
            #expect(Quantity.duration(short)?.shortText == short, "\(short) of \(milliseconds) ms")
        }
    }

    @Test(arguments: ["", "18", "18:0", "24:00", "18:60", "18:00:60", "018:00", "1:2:3:4", "18:00pm", "-1:00", ":00"])
    func `A time of day that no clock shows is none`(_ text: String) {
        #expect(TimeOfDay(text) == nil)
    }

    @Test(arguments: ["18:00", "8:05", "00:00", "23:59:59"])
    func `The next time of day is less than a day away`(_ text: String) throws {
        let now = BSONDateTime(millisecondsSince1970: 1_700_000_000_000)
        let time = try #require(TimeOfDay(text))
        let next = try #require(time.next(after: now))
        #expect(next > now && next.since(now) <= .seconds(90_000))
        #expect(next.localText.contains(text.count == 5 ? "\(text):00" : text))
    }
}
