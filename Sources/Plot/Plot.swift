/// Lines over a common pair of axes: drawn in a terminal, as SVG, or as PNG.
package struct Plot: Sendable {
    /// A line. A point that is not finite, or not positive on a logarithmic scale, leaves a gap.
    package struct Series: Sendable {
        package var name: String
        /// Ascending by `x`.
        package var points: [Point]

        package init(name: String, points: [Point]) {
            self.name = name
            self.points = points
        }
    }

    package struct Point: Sendable, Hashable {
        package var x: Double
        package var y: Double

        package init(x: Double, y: Double) {
            self.x = x
            self.y = y
        }
    }

    package enum HorizontalScale: Sendable {
        case numbers
        /// Seconds, labelled as lengths of time.
        case time
    }

    package var series: [Series]
    /// What `x` is: `step`.
    package var horizontalName: String
    package var horizontalScale: HorizontalScale
    /// Whether `y` is on a logarithmic scale.
    package var isLogarithmic: Bool

    package init(
        series: [Series],
        horizontalName: String,
        horizontalScale: HorizontalScale = .numbers,
        isLogarithmic: Bool = false
    ) {
        self.series = series
        self.horizontalName = horizontalName
        self.horizontalScale = horizontalScale
        self.isLogarithmic = isLogarithmic
    }

    /// Whether there is any point that can be drawn.
    package var isDrawable: Bool { series.contains { $0.points.contains(where: isDrawable) } }

    func isDrawable(_ point: Point) -> Bool {
        point.x.isFinite && point.y.isFinite && (!isLogarithmic || point.y > PlotAxis.least)
    }

    /// The axes, with about so many ticks.
    func axes(ticks: (x: Int, y: Int)) -> (x: PlotAxis, y: PlotAxis) {
        var (x, y): (ClosedRange<Double>?, ClosedRange<Double>?) = (nil, nil)
        for point in series.lazy.flatMap(\.points) where isDrawable(point) {
            x = x.map { min($0.lowerBound, point.x)...max($0.upperBound, point.x) } ?? point.x...point.x
            y = y.map { min($0.lowerBound, point.y)...max($0.upperBound, point.y) } ?? point.y...point.y
        }
        let horizontal = x ?? 0...1
        return (
            horizontalScale == .time
                ? PlotAxis(time: horizontal, ticks: ticks.x) : PlotAxis(exact: horizontal, ticks: ticks.x),
            isLogarithmic ? PlotAxis(logarithmic: y ?? 1...10, ticks: ticks.y) : PlotAxis(y ?? 0...1, ticks: ticks.y)
        )
    }

    /// The pieces of a line between its gaps, in the unit square. Where there are far more points than columns, only
    /// the first, the last, the lowest and the highest of each column remain: the picture is the same.
    func pieces(of series: Series, _ axes: (x: PlotAxis, y: PlotAxis), columns: Int) -> [[Point]] {
        var pieces: [[Point]] = []
        var piece: [Point] = []
        for point in series.points {
            if isDrawable(point) {
                piece.append(Point(x: axes.x.place(point.x), y: axes.y.place(point.y)))
            } else if !piece.isEmpty {
                pieces.append(piece)
                piece = []
            }
        }
        if !piece.isEmpty { pieces.append(piece) }
        return pieces.map { Self.thinned($0, columns: columns) }
    }

    private static func thinned(_ points: [Point], columns: Int) -> [Point] {
        guard points.count > 8 * columns else { return points }
        var result: [Point] = []
        var start = 0
        while start < points.count {
            let column = Int(points[start].x * Double(columns))
            var end = start + 1
            while end < points.count, Int(points[end].x * Double(columns)) == column { end += 1 }
            let indices = start..<end
            let least = indices.min { points[$0].y < points[$1].y } ?? start
            let most = indices.max { points[$0].y < points[$1].y } ?? start
            for index in Set([start, least, most, end - 1]).sorted() { result.append(points[index]) }
            start = end
        }
        return result
    }
}
