extension Plot {
    /// The plot as a picture that every browser shows.
    ///
    /// - Parameters:
    ///   - width: Pixels, as of `height`.
    package func svg(width: Int, height: Int) -> String {
        var surface = SVGSurface()
        draw(on: &surface, width: width, height: height)
        return """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" \
            viewBox="0 0 \(width) \(height)" font-family="Helvetica, Arial, sans-serif" font-size="17">
            <rect width="100%" height="100%" fill="#ffffff"/>
            \(surface.elements)</svg>

            """
    }
}

/// Elements of an SVG picture.
struct SVGSurface: PlotSurface {
    static let characterWidth = 9.5

    private(set) var elements = ""

    mutating func line(_ points: [Plot.Point], _ colour: PlotColour, width: Double) {
        let list = points.map { "\(Self.number($0.x)),\(Self.number($0.y))" }.joined(separator: " ")
        elements +=
            "<polyline points=\"\(list)\" fill=\"none\" stroke=\"\(Self.hex(colour))\" "
            + "stroke-width=\"\(Self.number(width))\" stroke-linejoin=\"round\"/>\n"
    }

    mutating func text(_ text: String, x: Double, y: Double, _ anchor: PlotAnchor, _ colour: PlotColour) {
        elements +=
            "<text x=\"\(Self.number(x))\" y=\"\(Self.number(y + 6))\" text-anchor=\"\(anchor)\" "
            + "fill=\"\(Self.hex(colour))\">\(Self.escaped(text))</text>\n"
    }

    private static func number(_ value: Double) -> String {
        var text = PlotAxis.fixed(value, decimals: 2)
        while text.last == "0" { text.removeLast() }
        if text.last == "." { text.removeLast() }
        return text
    }

    private static func hex(_ colour: PlotColour) -> String {
        "#"
            + [colour.red, colour.green, colour.blue].map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Control characters are not allowed in XML at all.
    private static func escaped(_ text: String) -> String {
        text.unicodeScalars.map { scalar in
            switch scalar {
            case "&": "&amp;"
            case "<": "&lt;"
            case ">": "&gt;"
            case "\"": "&quot;"
            case _ where scalar.value < 0x20 || scalar.value == 0xFFFE || scalar.value == 0xFFFF: "\u{FFFD}"
            default: String(scalar)
            }
        }.joined()
    }
}
