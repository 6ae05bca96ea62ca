import BSON
import Console
import Testing

@Suite struct ShownNumberTests {
    @Test(arguments: [
        (0.0, "0"), (-0.0, "0"), (3, "3"), (0.1, "0.1"), (0.1 + 0.2, "0.3"), (0.123456789, "0.123457"),
        (-12.3456789, "-12.3457"), (123_456.789, "123457"), (1_234_567.89, "1234568"), (1e-5, "1e-05"),
        (1.23456789e-7, "1.23457e-07"), (1e300, "1e+300"), (.nan, "NaN"), (.infinity, "inf"), (0.99999999, "1"),
    ])
    func `A number is rounded to six digits, its whole part never`(_ number: Double, _ text: String) {
        #expect(ShownNumber.text(number) == text)
    }

    @Test func `Points stand below each other, and what is no number is left alone`() {
        let texts = ShownNumber.aligned(["0.5", "12", "", "1e-05", "-3.25", "none", "0.91 ± 0.01"])
        #expect(texts == ["0.5 ", "12   ", "", "1e-05", "-3.25", "none", "0.91 ± 0.01"])
    }

    @Test(arguments: [
        ("mnist-very-long-name-run-17", 16, "mnist-ve…-run-17"), ("short", 5, "short"), ("日本語の名前", 7, "日本…前"),
        ("abcdef", 3, "a…f"), ("abcdef", 2, "a…"),
    ])
    func `A long name is cut in the middle`(_ name: String, _ width: Int, _ text: String) {
        let shown = TerminalText.shortened(name, to: width)
        #expect(shown == text && TerminalText.width(shown) <= width)
    }

    @Test func `Where even cut columns find no room, those of the highest rank go`() {
        var table = Table([
            .init("ID"), .init("NAME", isName: true), .init("AGE", isRightAligned: true, rank: 1),
            .init("HOST", isName: true, rank: 2), .init("STATE"),
        ])
        table.rows = [["0123456789", "a-name-of-many-letters", "12s", "machine-17", "finished"]]
        func row(_ width: Int) -> String { table.text(width: width).split(separator: "\n").last.map(String.init) ?? "" }
        #expect(row(100) == "0123456789  a-name-of-many-letters  12s  machine-17  finished")
        #expect(row(50) == "0123456789  a-nam…tters  12s  machine-17  finished")
        #expect(row(40) == "0123456789  a-name…etters  12s  finished")
        #expect(row(30) == "0123456789  a-na…ers  finished")
        #expect(row(10) == row(30))
    }
}
