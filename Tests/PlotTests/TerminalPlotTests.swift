import Testing

@testable import Plot

@Suite struct TerminalPlotTests {
    static func line(_ name: String, _ values: [Double]) -> Plot.Series {
        Plot.Series(name: name, points: values.enumerated().map { Plot.Point(x: Double($0.offset), y: $0.element) })
    }

    private func draw(
        _ series: [Plot.Series],
        scale: Plot.HorizontalScale = .numbers,
        isLogarithmic: Bool = false,
        hasColours: Bool = false
    ) -> String {
        Plot(series: series, horizontalName: "step", horizontalScale: scale, isLogarithmic: isLogarithmic)
            .terminalText(width: 30, height: 4, hasColours: hasColours)
    }

    @Test func `One line is drawn in dots between labelled axes`() {
        #expect(
            draw([Self.line("loss", [0, 1, 2, 3, 4])]) == """
                ── loss
                4 ┤                     ⣀⡠⠤⠔⠒⠉
                  │              ⢀⣀⠤⠤⠒⠊⠉
                2 ┤      ⣀⣀⠤⠤⠒⠒⠊⠉⠁
                0 ┤⣀⠤⠔⠒⠊⠉
                  └┬────────────┬────────────┬
                   0            2            4
                              step

                """
        )
    }

    @Test func `Several lines without colours have a sign each`() {
        #expect(
            draw([Self.line("a", [0, 1]), Self.line("b", [1, 0])]) == """
                oo a  xx b
                1.0 ┤xxxx                ooooo
                    │    xxxxxxxxoooooooo
                0.5 ┤    ooooooooxxxxxxxx
                0.0 ┤oooo                xxxxx
                    └┬───────────┬───────────┬
                    0.0         0.5        1.0
                               step

                """
        )
    }

    @Test func `NaN leaves a gap`() {
        #expect(
            draw([Self.line("loss", [1, 1, .nan, 0, 0])]) == """
                ── loss
                1.0 ┤⠉⠉⠉⠉⠉⠉⠁
                    │
                0.5 ┤
                0.0 ┤                  ⢀⣀⣀⣀⣀⣀⣀
                    └┬───────────┬───────────┬
                     0           2           4
                               step

                """
        )
    }

    @Test func `A logarithmic scale leaves out what is not positive`() {
        #expect(
            draw([Self.line("loss", [100, 10, 1, 0])], isLogarithmic: true)
                == """
                ── loss
                100 ┤⠉⠒⠢⠤⣀⡀
                    │     ⠈⠉⠑⠒⠤⢄⣀
                 10 ┤            ⠉⠑⠒⠢⠤⣀⡀
                  1 ┤                  ⠈⠉⠑⠒⠤⠤⣀
                    └┬───────────┬───────────┬
                     0           1           2
                               step

                """
        )
    }

    @Test func `Time is labelled in its units`() {
        let series = Plot.Series(name: "loss", points: [.init(x: 0, y: 0), .init(x: 5400, y: 1)])
        #expect(
            draw([series], scale: .time) == """
                ── loss
                1.0 ┤                   ⣀⡠⠤⠔⠒⠉
                    │            ⢀⣀⠤⠤⠒⠊⠉
                0.5 ┤      ⣀⡠⠤⠒⠒⠉⠁
                0.0 ┤⣀⠤⠔⠒⠊⠉
                    └┬───────────────┬────────
                    0s              1h
                               step

                """
        )
    }

    @Test func `Colours tell lines apart and end with each row`() {
        let text = draw([Self.line("a", [0, 1]), Self.line("b", [1, 0])], hasColours: true)
        #expect(text.hasPrefix("\u{1B}[36m──\u{1B}[0m a  \u{1B}[33m──\u{1B}[0m b\n"))
        for row in text.split(separator: "\n") where row.contains("\u{1B}[3") { #expect(row.contains("\u{1B}[0m")) }
    }

    @Test(arguments: [
        [5.0], [0, 0], [1e300, -1e300], [.leastNonzeroMagnitude, .leastNormalMagnitude], [1e16, 1e16 + 2],
        [.infinity, 1], [-3e6, 7e6],
    ])
    func `Odd values are drawn too`(_ values: [Double]) {
        for isLogarithmic in [false, true] {
            let plot = Plot(
                series: [Self.line("x", values)],
                horizontalName: "step",
                isLogarithmic: isLogarithmic
            )
            let text = plot.terminalText(width: 40, height: 8, hasColours: false)
            #expect(text.split(separator: "\n").count == 12 || !plot.isDrawable, "\(text)")
            #expect(plot.svg(width: 300, height: 200).hasSuffix("</svg>\n"))
            #expect(plot.png(width: 300, height: 200).count > 100)
        }
    }

    @Test func `A million points are drawn as their columns' extremes`() {
        var values = [Double](repeating: 0, count: 1_000_000)
        values[654_321] = 1
        let plot = Plot(series: [Self.line("x", values)], horizontalName: "step")
        let pieces = plot.pieces(of: plot.series[0], plot.axes(ticks: (x: 5, y: 5)), columns: 100)
        #expect(pieces.count == 1 && pieces[0].count <= 404)
        #expect(pieces[0].map(\.y).max() == 1)
    }
}

@Suite struct PlotAxisTests {
    @Test(arguments: [
        (0.0, 1.03, ["0.0", "0.5", "1.0", "1.5"]), (0, 100, ["0", "50", "100"]),
        (-1, 1, ["-1", "0", "1"]), (0.001, 0.0012, ["0.0010", "0.0011", "0.0012"]),
        (0, 3e7, ["0", "1e7", "2e7", "3e7"]), (2e-9, 4e-9, ["2e-9", "3e-9", "4e-9"]),
    ])
    func `Ticks are at round numbers with no digit too many`(_ low: Double, _ high: Double, _ labels: [String]) {
        #expect(PlotAxis(low...high, ticks: 3).ticks.map(\.label) == labels)
    }

    @Test(arguments: [
        (0.0, 90.0, ["0s", "30s", "1m", "1m30s"]), (0, 7200, ["0s", "1h", "2h"]), (0, 0.5, ["0.0s", "0.2s", "0.4s"]),
    ])
    func `Times have round units`(_ low: Double, _ high: Double, _ labels: [String]) {
        #expect(PlotAxis(time: low...high, ticks: 3).ticks.map(\.label) == labels)
    }

    @Test(arguments: [
        (0.02, 0.9, ["0.02", "0.05", "0.1", "0.2", "0.5", "1"]), (1e-7, 1, ["1e-8", "1e-6", "0.0001", "0.01", "1"]),
    ])
    func `A logarithmic axis has powers of ten`(_ low: Double, _ high: Double, _ labels: [String]) {
        #expect(PlotAxis(logarithmic: low...high, ticks: 4).ticks.map(\.label) == labels)
    }
}
