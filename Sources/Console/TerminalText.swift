/// Makes text of unknown origin safe to show on a terminal, and measures it.
package enum TerminalText {
    /// The text on one line: line ends and other control characters are written as escapes, so that nothing that
    /// somebody stored can move the cursor.
    package static func oneLine(_ text: String) -> String {
        if text.unicodeScalars.allSatisfy({ !isControl($0) }) { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where isControl(scalar): result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// Columns that the text takes; wide characters of East Asia and emoji take two.
    package static func width(_ text: String) -> Int {
        text.utf8.allSatisfy { $0 < 0x80 } ? text.utf8.count : text.reduce(0) { $0 + width($1) }
    }

    /// At most that many columns; what is cut off is marked.
    package static func truncated(_ text: String, to width: Int) -> String {
        if self.width(text) <= width { return text }
        var result = ""
        var used = 0
        for character in text {
            let next = self.width(character)
            if used + next > width - 1 { break }
            result.append(character)
            used += next
        }
        return result + "…"
    }

    /// The same with the middle cut out, for names that differ in their ends.
    package static func shortened(_ text: String, to width: Int) -> String {
        if self.width(text) <= width || width < 3 { return truncated(text, to: width) }
        let room = width - 1
        var end = ""
        var used = 0
        for character in text.reversed() {
            let next = self.width(character)
            if used + next > room / 2 { break }
            end = String(character) + end
            used += next
        }
        return truncated(text, to: width - used) + end
    }

    /// One line of a script's output, made safe: colours stay, every other control sequence goes. Invalid UTF-8 becomes
    /// U+FFFD.
    ///
    /// - Parameter keepsColours: Without them the text can be measured and cut.
    package static func scriptLine(_ bytes: some Sequence<UInt8>, keepsColours: Bool = true) -> String {
        let text = String(decoding: Array(bytes), as: UTF8.self)
        if text.unicodeScalars.allSatisfy({ !isControl($0) }) { return text }
        var result = String.UnicodeScalarView()
        var rest = Substring(text).unicodeScalars
        var isColoured = false
        while let scalar = rest.popFirst() {
            if scalar == "\u{1B}" {
                if let colour = takeSequence(&rest), keepsColours {
                    result.append(contentsOf: colour.unicodeScalars)
                    isColoured = true
                }
            } else if scalar == "\t" || !isControl(scalar) {
                result.append(scalar)
            }
        }
        return String(result) + (isColoured ? "\u{1B}[0m" : "")
    }

    /// Behind an ESC: takes the whole sequence; returns it where it sets colours.
    private static func takeSequence(_ rest: inout Substring.UnicodeScalarView) -> String? {
        switch rest.popFirst() {
        case "[":
            // CSI: parameters, then one letter.
            var parameters = ""
            while let scalar = rest.popFirst() {
                if ("\u{40}"..."\u{7E}").contains(scalar) {
                    let isColour = scalar == "m" && parameters.allSatisfy { $0.isNumber || $0 == ";" || $0 == ":" }
                    return isColour ? "\u{1B}[\(parameters)m" : nil
                }
                parameters.unicodeScalars.append(scalar)
            }
            return nil
        case "]", "P", "X", "^", "_":
            // A string of the terminal's own, a window title for one: ended by BEL or ESC \.
            while let scalar = rest.popFirst() {
                if scalar == "\u{07}" { return nil }
                if scalar == "\u{1B}" {
                    _ = rest.popFirst()
                    return nil
                }
            }
            return nil
        default:
            return nil
        }
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
            // Overrides of the writing direction make text look like another.
            || (0x202A...0x202E).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value)
    }

    private static func width(_ character: Character) -> Int {
        guard let scalar = character.unicodeScalars.first else { return 0 }
        switch scalar.value {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
            0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F900...0x1F9FF,
            0x20000...0x3FFFD:
            return 2
        case 0x300...0x36F, 0x200B...0x200F: return 0
        default: return 1
        }
    }
}
