import Glibc

extension Plot {
    /// The plot as a picture that everything shows. Characters outside ASCII become `?`.
    ///
    /// - Parameters:
    ///   - width: Pixels, as of `height`.
    package func png(width: Int, height: Int) -> [UInt8] {
        var raster = Raster(width: width, height: height)
        draw(on: &raster, width: width, height: height)
        return PNGFile.bytes(width: width, height: height, pixels: raster.pixels)
    }
}

/// Pixels, three bytes each.
struct Raster: PlotSurface {
    static var characterWidth: Double { Double(PlotFont.advance) }

    let width: Int
    let height: Int
    private(set) var pixels: [UInt8]

    init(width: Int, height: Int) {
        self.width = width
        self.height = height
        pixels = Array(repeating: 255, count: width * height * 3)
    }

    /// Smooth at its edges: a pixel is covered by as much of it as lies within half the width of the nearest piece.
    mutating func line(_ points: [Plot.Point], _ colour: PlotColour, width lineWidth: Double) {
        // Once for the whole line: where two pieces meet, nothing is painted twice.
        var cover: [Int: Float] = [:]
        let half = lineWidth / 2
        for (start, end) in zip(points, points.dropFirst()) {
            // The middle of a pixel is its place.
            let (dx, dy) = (end.x - start.x, end.y - start.y)
            let square = dx * dx + dy * dy
            let rows = clamped(min(start.y, end.y) - half - 1, max(start.y, end.y) + half + 1, height)
            for y in rows {
                var columns = clamped(min(start.x, end.x) - half - 1, max(start.x, end.x) + half + 1, width)
                // Of a long slanted piece only the part near this row.
                if abs(dy) > 2, abs(dx) > 4 {
                    let reach = (half + 1.5) * abs(dx / dy) + half + 1.5
                    let middle = start.x + (Double(y) - start.y) / dy * dx
                    columns = columns.clamped(to: clamped(middle - reach, middle + reach, width))
                }
                for x in columns {
                    let (px, py) = (Double(x) - start.x, Double(y) - start.y)
                    let along = square == 0 ? 0 : min(max((px * dx + py * dy) / square, 0), 1)
                    let distance = hypot(px - along * dx, py - along * dy)
                    let covered = Float(min(max(half + 0.5 - distance, 0), 1))
                    if covered > 0 { cover[y * width + x] = max(cover[y * width + x] ?? 0, covered) }
                }
            }
        }
        for (place, covered) in cover { paint(place, colour, covered) }
    }

    mutating func text(_ text: String, x: Double, y: Double, _ anchor: PlotAnchor, _ colour: PlotColour) {
        let length = text.count * PlotFont.advance - PlotFont.gap
        var left = Int(x.rounded())
        switch anchor {
        case .start: break
        case .middle: left -= length / 2
        case .end: left -= length
        }
        let top = Int(y.rounded()) - PlotFont.ascent / 2
        for character in text {
            for (row, bits) in PlotFont.glyph(character).enumerated() {
                for column in 0..<PlotFont.width where bits >> column & 1 == 1 {
                    let (x, y) = (left + column, top + row)
                    if (0..<width).contains(x), (0..<height).contains(y) { paint(y * width + x, colour, 1) }
                }
            }
            left += PlotFont.advance
        }
    }

    private func clamped(_ low: Double, _ high: Double, _ limit: Int) -> Range<Int> {
        let start = min(max(Int(low.rounded(.down)), 0), limit)
        return start..<min(max(Int(high.rounded(.up)) + 1, start), limit)
    }

    private mutating func paint(_ place: Int, _ colour: PlotColour, _ covered: Float) {
        for (offset, value) in [colour.red, colour.green, colour.blue].enumerated() {
            let old = Float(pixels[place * 3 + offset])
            pixels[place * 3 + offset] = UInt8((old + (Float(value) - old) * covered).rounded())
        }
    }
}
