/// A picture that is drawn on, in pixels from the upper left corner.
protocol PlotSurface {
    /// Pixels of a character, on average.
    static var characterWidth: Double { get }

    mutating func line(_ points: [Plot.Point], _ colour: PlotColour, width: Double)
    /// - Parameter y: The middle of the letters.
    mutating func text(_ text: String, x: Double, y: Double, _ anchor: PlotAnchor, _ colour: PlotColour)
}

enum PlotAnchor: Sendable {
    case start
    case middle
    case end
}

struct PlotColour: Sendable, Hashable {
    var red: UInt8
    var green: UInt8
    var blue: UInt8

    init(_ rgb: UInt32) {
        (red, green, blue) = (UInt8(rgb >> 16 & 255), UInt8(rgb >> 8 & 255), UInt8(rgb & 255))
    }

    static let ink = PlotColour(0x333333)
    static let axis = PlotColour(0x888888)
    static let grid = PlotColour(0xE6E6E6)
    /// Told apart by people who see fewer colours too (Tableau 10, with the lightest left out).
    static let lines: [PlotColour] = [
        0x1F77B4, 0xE6760B, 0x2C9F2C, 0xC92A2B, 0x8A5DBB, 0x8C564B, 0xD75FB3, 0x6E6E6E, 0xA7A819, 0x14AFBF,
    ].map { PlotColour($0) }
}

extension Plot {
    /// Pixels that a picture may be wide or high.
    package static let pixels = 200...10_000

    func draw<Surface: PlotSurface>(on surface: inout Surface, width: Int, height: Int) {
        let letter = Surface.characterWidth
        let rowHeight = 26.0
        let legend = legendRows(width: Double(width) - 40, letter)
        let top = 24 + rowHeight * Double(legend.count)
        let bottom = Double(height) - 68
        let axes = axes(ticks: (x: max(2, width / 130), y: max(2, height / 90)))
        let left = 24 + letter * Double(axes.y.ticks.map(\.label.count).max() ?? 1)
        let right = Double(width) - 30
        func x(_ place: Double) -> Double { left + place * (right - left) }
        func y(_ place: Double) -> Double { bottom - place * (bottom - top) }

        for tick in axes.y.ticks {
            let y = y(axes.y.place(tick.value)).rounded()
            surface.line([.init(x: left, y: y), .init(x: right, y: y)], .grid, width: 1)
            surface.text(tick.label, x: left - 10, y: y, .end, .ink)
        }
        var free = 0.0
        for tick in axes.x.ticks {
            let x = x(axes.x.place(tick.value)).rounded()
            surface.line([.init(x: x, y: top), .init(x: x, y: bottom)], .grid, width: 1)
            surface.line([.init(x: x, y: bottom), .init(x: x, y: bottom + 6)], .axis, width: 1)
            let half = letter * Double(tick.label.count) / 2
            let middle = min(x, Double(width) - half - 4)
            guard middle - half >= free else { continue }
            surface.text(tick.label, x: middle, y: bottom + 20, .middle, .ink)
            free = middle + half + letter
        }
        surface.line([.init(x: left, y: top), .init(x: left, y: bottom), .init(x: right, y: bottom)], .axis, width: 1)
        surface.text(horizontalName, x: (left + right) / 2, y: Double(height) - 20, .middle, .ink)
        for (row, items) in legend.enumerated() {
            let y = 22 + rowHeight * Double(row)
            for (index, start) in items {
                let colour = PlotColour.lines[index % PlotColour.lines.count]
                surface.line([.init(x: start, y: y), .init(x: start + 26, y: y)], colour, width: 3)
                surface.text(series[index].name, x: start + 34, y: y, .start, .ink)
            }
        }
        for (index, line) in series.enumerated() {
            let colour = PlotColour.lines[index % PlotColour.lines.count]
            for piece in pieces(of: line, axes, columns: Int(right - left)) {
                var points = piece.map { Point(x: x($0.x), y: y($0.y)) }
                // A point with gaps on both sides must be seen too.
                if points.count == 1 {
                    points = [.init(x: points[0].x - 1.5, y: points[0].y), .init(x: points[0].x + 1.5, y: points[0].y)]
                }
                surface.line(points, colour, width: 2.2)
            }
        }
    }

    /// Where the names stand: rows of the index of a line and its left edge.
    private func legendRows(width: Double, _ letter: Double) -> [[(Int, Double)]] {
        var rows: [[(Int, Double)]] = []
        var x = width
        for (index, line) in series.enumerated() {
            let size = 34 + letter * Double(line.name.count) + 24
            if x + size > width || rows.isEmpty {
                rows.append([])
                x = 20
            }
            rows[rows.count - 1].append((index, x))
            x += size
        }
        return rows
    }
}
