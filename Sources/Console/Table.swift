package import BSON

/// Rows of text in aligned columns.
package struct Table: Sendable {
    package struct Column: Sendable {
        package var title: String
        package var isRightAligned: Bool
        /// Whether it may be cut short where the terminal is too narrow.
        package var isElastic: Bool
        /// Whether it is cut in the middle, as names are that differ in their ends.
        package var isName: Bool
        /// Columns of the highest number are left out first where the terminal is too narrow even for cut ones; those
        /// of 0 never are.
        package var rank: Int
        /// That of a cell by its text; `nil` leaves it as it is.
        package var colour: (@Sendable (String) -> Colour?)?

        package init(
            _ title: String,
            isRightAligned: Bool = false,
            isElastic: Bool = false,
            isName: Bool = false,
            rank: Int = 0,
            colour: (@Sendable (String) -> Colour?)? = nil
        ) {
            self.title = title
            self.isRightAligned = isRightAligned
            self.isElastic = isElastic || isName
            self.isName = isName
            self.rank = rank
            self.colour = colour
        }

        /// A column of values: numbers are aligned, everything else may be cut short.
        package init(_ title: String, of values: some Sequence<BSONValue?>) {
            let isNumeric = values.allSatisfy { $0.map { $0.doubleValue != nil } ?? true }
            self.init(title, isRightAligned: isNumeric, isElastic: !isNumeric)
        }
    }

    package var columns: [Column]
    /// As many cells in each as there are columns.
    package var rows: [[String]] = []

    package init(_ columns: [Column]) {
        self.columns = columns
    }

    /// An elastic column is never cut below this.
    private static let narrowest = 8
    private static let gap = "  "

    /// - Parameter width: Columns of the terminal; `nil` cuts nothing.
    package func text(width: Int?, hasColours: Bool = StandardOutput.hasColours) -> String {
        var cells = ([columns.map(\.title)] + rows).map { $0.map(TerminalText.oneLine) }
        var widths = columns.indices.map { index in cells.map { TerminalText.width($0[index]) }.max() ?? 0 }
        if let width {
            var kept = self
            while let index = kept.superfluous(widths, width) {
                kept.columns.remove(at: index)
                widths.remove(at: index)
                for row in cells.indices { cells[row].remove(at: index) }
            }
            kept.fit(&widths, into: width)
            return kept.text(cells, widths, hasColours)
        }
        return text(cells, widths, hasColours)
    }

    private func text(_ cells: [[String]], _ widths: [Int], _ hasColours: Bool) -> String {
        cells.enumerated().map { number, row in
            var line = ""
            for (index, cell) in row.enumerated() {
                if index > 0 { line += Self.gap }
                let text =
                    columns[index].isName && number > 0
                    ? TerminalText.shortened(cell, to: widths[index])
                    : TerminalText.truncated(cell, to: widths[index])
                let padding = String(repeating: " ", count: widths[index] - TerminalText.width(text))
                // The first row are the titles.
                let colour = number == 0 ? nil : columns[index].colour?(cell)
                let shown = colour?.on(text, hasColours) ?? text
                line += columns[index].isRightAligned ? padding + shown : shown + padding
            }
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }.joined()
    }

    /// The column to leave out next, where there is no room for all however much they are cut.
    private func superfluous(_ widths: [Int], _ width: Int) -> Int? {
        let least = columns.indices.reduce(Self.gap.count * (columns.count - 1)) { sum, index in
            sum + (columns[index].isElastic ? min(widths[index], Self.narrowest) : widths[index])
        }
        if least <= width { return nil }
        return columns.indices.filter { columns[$0].rank > 0 }.max { columns[$0].rank < columns[$1].rank }
    }

    /// Takes from the widest elastic columns until all fits: these are as wide as each other then, or wider by one.
    private func fit(_ widths: inout [Int], into width: Int) {
        let excess = widths.reduce(0, +) + Self.gap.count * (widths.count - 1) - width
        let elastic = columns.indices.filter { columns[$0].isElastic && widths[$0] > Self.narrowest }
        if excess <= 0 || elastic.isEmpty { return }
        func gain(_ limit: Int) -> Int { elastic.reduce(0) { $0 + max(0, widths[$1] - limit) } }
        // The largest limit that is enough, by halving.
        var (low, high) = (Self.narrowest, elastic.map { widths[$0] }.max() ?? 0)
        while low < high {
            let middle = (low + high + 1) / 2
            if gain(middle) >= excess { low = middle } else { high = middle - 1 }
        }
        var left = gain(low) - excess
        for index in elastic.reversed() where widths[index] > low {
            widths[index] = left > 0 ? low + 1 : low
            left -= 1
        }
    }
}
