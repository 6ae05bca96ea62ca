import ArgumentParser
import Console

/// How many a listing has at most.
struct LimitOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "At most so many, the newest; 0 lists all.")
    var limit = 50

    /// - Throws: A failure of status 2.
    func check() throws(CommandFailure) {
        if limit < 0 { throw .badInput("--limit is \(limit); it must be 0 or more") }
    }

    /// How many to ask for: one more tells whether there are more.
    var asked: Int? { limit == 0 ? nil : limit + 1 }

    var most: Int? { limit == 0 ? nil : limit }

    /// Takes away what is too much; whether anything was.
    func cut<Element>(_ found: inout [Element]) -> Bool {
        guard limit > 0, found.count > limit else { return false }
        found.removeLast(found.count - limit)
        return true
    }

    /// - Parameter which: `newest`, or `first` of an order that was given.
    func tellCut(_ which: String) {
        StandardError.line("only the \(which) \(limit) are listed; --limit 0 lists all")
    }
}
