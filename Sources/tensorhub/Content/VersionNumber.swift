import Console

/// A version as somebody typed it. Not left to ArgumentParser: to it a wrong value of `--version` asks for the
/// program's.
enum VersionNumber {
    static func parse(_ text: String?) throws(CommandFailure) -> Int? {
        guard let text else { return nil }
        if let number = Int(text) { return number }
        throw .badInput("--version '\(text)' is no number; versions count from 1, and left out it means the newest")
    }
}
