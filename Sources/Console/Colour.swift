package import ArgumentParser
import Glibc
import Synchronization

/// A colour of text on a terminal. States and failures have one, no other text; the terminal's own palette says how it
/// looks.
package enum Colour: String, Sendable {
    case red = "31"
    case green = "32"
    case yellow = "33"
    case cyan = "36"

    /// The text in this colour where standard output has colours.
    package func on(_ text: String, _ hasColours: Bool = StandardOutput.hasColours) -> String {
        hasColours && !text.isEmpty ? "\u{1B}[\(rawValue)m\(text)\u{1B}[0m" : text
    }
}

/// What `--color` says; the one place that decides whether there are colours.
package enum ColourChoice: String, CaseIterable, Sendable, ExpressibleByArgument {
    /// On a terminal, unless NO_COLOR (https://no-color.org) is set or the terminal is one that knows none.
    case auto
    case always
    case never

    /// - Parameter what: What has them: `states and failures`.
    package static func help(of what: String) -> ArgumentHelp {
        ArgumentHelp("Colours of \(what): auto (on a terminal, unless NO_COLOR is set), always or never.")
    }

    /// That of this process. Parsing the command line sets it.
    package static var current: ColourChoice {
        get { chosen.withLock { $0 } }
        set { chosen.withLock { $0 = newValue } }
    }

    private static let chosen = Mutex(ColourChoice.auto)

    func hasColours(isTerminal: Bool) -> Bool {
        switch self {
        case .always: true
        case .never: false
        case .auto: isTerminal && !Self.isSet("NO_COLOR") && getenv("TERM").map { String(cString: $0) } != "dumb"
        }
    }

    private static func isSet(_ variable: String) -> Bool { getenv(variable).map { $0.pointee != 0 } ?? false }
}
