extension Plot {
    /// The plot in characters: Braille dots, eight to a character, in a colour for each line; where there are no
    /// colours and several lines, a sign for each.
    ///
    /// - Parameters:
    ///   - width: Columns of the whole, at least 30.
    ///   - height: Rows of the lines alone, at least 4; axis and legend come on top.
    package func terminalText(width: Int, height: Int, hasColours: Bool) -> String {
        let (width, height) = (max(30, width), max(4, height))
        let axes = axes(ticks: (x: max(2, width / 14), y: max(2, height / 3)))
        let labelWidth = axes.y.ticks.map(\.label.count).max() ?? 1
        let columns = width - labelWidth - 2
        var canvas = TerminalCanvas(columns: columns, rows: height, usesSigns: !hasColours && series.count > 1)
        for (index, line) in series.enumerated() {
            for piece in pieces(of: line, axes, columns: columns * 2) { canvas.draw(piece, series: index) }
        }
        var labels: [Int: String] = [:]
        for tick in axes.y.ticks {
            let row = canvas.row(axes.y.place(tick.value))
            if labels[row] == nil { labels[row] = tick.label }
        }
        var text = legend(width: width, canvas, hasColours: hasColours)
        for row in 0..<height {
            let label = labels[row] ?? ""
            text += String(repeating: " ", count: labelWidth - label.count) + label + " " + (label.isEmpty ? "│" : "┤")
            text += Self.trimmed(canvas.text(row: row, hasColours: hasColours)) + "\n"
        }
        return text + horizontalAxis(axes.x, canvas, indent: labelWidth + 1)
    }

    private func horizontalAxis(_ axis: PlotAxis, _ canvas: TerminalCanvas, indent: Int) -> String {
        var line = Array(repeating: "─", count: canvas.columns)
        var labels = Array(repeating: " ", count: indent + 1 + canvas.columns)
        var free = 0
        for tick in axis.ticks {
            let column = canvas.column(axis.place(tick.value))
            let start = max(0, min(indent + 1 + column - tick.label.count / 2, labels.count - tick.label.count))
            guard start >= free else { continue }
            line[column] = "┬"
            for (offset, character) in tick.label.enumerated() { labels[start + offset] = String(character) }
            free = start + tick.label.count + 2
        }
        let middle = max(0, indent + 1 + (canvas.columns - horizontalName.count) / 2)
        return String(repeating: " ", count: indent) + "└" + line.joined() + "\n" + Self.trimmed(labels.joined()) + "\n"
            + String(repeating: " ", count: middle) + horizontalName + "\n"
    }

    private func legend(width: Int, _ canvas: TerminalCanvas, hasColours: Bool) -> String {
        var lines = [""]
        var used = 0
        for (index, line) in series.enumerated() {
            let size = line.name.count + 3
            if used > 0, used + size + 2 > width {
                lines.append("")
                used = 0
            }
            if used > 0 { lines[lines.count - 1] += "  " }
            lines[lines.count - 1] += TerminalCanvas.sign(index, canvas.usesSigns, hasColours) + " " + line.name
            used += size + 2
        }
        return lines.map { $0 + "\n" }.joined()
    }

    private static func trimmed(_ text: String) -> String {
        var text = text
        while text.last == " " { text.removeLast() }
        return text
    }
}

/// A grid of characters to draw lines on.
struct TerminalCanvas {
    let columns: Int
    let rows: Int
    /// Whether a line is told by its sign: one point to a character instead of eight.
    let usesSigns: Bool
    private var dots: [UInt8]
    private var owner: [Int]

    private static let signs: [Character] = ["o", "x", "+", "*", "#", "@", "%", "=", "a", "b", "c", "d"]
    /// ANSI: cyan, yellow, magenta, green, red, blue, and the bright ones.
    private static let colours = [36, 33, 35, 32, 31, 34, 96, 93, 95, 92, 91, 94]
    /// The bits of a Braille character by row and column of its dots.
    private static let bits: [[UInt8]] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]]

    init(columns: Int, rows: Int, usesSigns: Bool) {
        self.columns = columns
        self.rows = rows
        self.usesSigns = usesSigns
        dots = Array(repeating: 0, count: columns * rows)
        owner = Array(repeating: -1, count: columns * rows)
    }

    private var across: Int { usesSigns ? 1 : 2 }
    private var down: Int { usesSigns ? 1 : 4 }

    /// The character's row of a place, the topmost being 0.
    func row(_ place: Double) -> Int { y(place) / down }
    func column(_ place: Double) -> Int { x(place) / across }

    private func x(_ place: Double) -> Int { Int((place * Double(columns * across - 1)).rounded()) }
    private func y(_ place: Double) -> Int { Int(((1 - place) * Double(rows * down - 1)).rounded()) }

    /// A line through points of the unit square.
    mutating func draw(_ points: [Plot.Point], series: Int) {
        guard let first = points.first else { return }
        var (x0, y0) = (x(first.x), y(first.y))
        set(x0, y0, series)
        for point in points.dropFirst() {
            let (x1, y1) = (x(point.x), y(point.y))
            // Bresenham's.
            let (dx, dy) = (abs(x1 - x0), -abs(y1 - y0))
            var error = dx + dy
            while (x0, y0) != (x1, y1) {
                let twice = 2 * error
                if twice >= dy {
                    error += dy
                    x0 += x0 < x1 ? 1 : -1
                }
                if twice <= dx {
                    error += dx
                    y0 += y0 < y1 ? 1 : -1
                }
                set(x0, y0, series)
            }
        }
    }

    private mutating func set(_ x: Int, _ y: Int, _ series: Int) {
        let cell = y / down * columns + x / across
        dots[cell] |= usesSigns ? 1 : Self.bits[y % 4][x % 2]
        owner[cell] = series
    }

    func text(row: Int, hasColours: Bool) -> String {
        var text = ""
        var colour = -1
        for cell in row * columns..<(row + 1) * columns {
            if hasColours, owner[cell] >= 0, owner[cell] != colour {
                colour = owner[cell]
                text += Self.start(colour)
            }
            if dots[cell] == 0 {
                text += " "
            } else if usesSigns {
                text.append(Self.signs[owner[cell] % Self.signs.count])
            } else {
                text.unicodeScalars.append(Unicode.Scalar(0x2800 + UInt32(dots[cell])) ?? " ")
            }
        }
        if colour >= 0 {
            while text.last == " " { text.removeLast() }
            text += "\u{1B}[0m"
        }
        return text
    }

    /// What stands for a line in the legend.
    static func sign(_ series: Int, _ usesSigns: Bool, _ hasColours: Bool) -> String {
        if usesSigns { return String(repeating: signs[series % signs.count], count: 2) }
        return hasColours ? start(series) + "──" + "\u{1B}[0m" : "──"
    }

    private static func start(_ series: Int) -> String { "\u{1B}[\(colours[series % colours.count])m" }
}
