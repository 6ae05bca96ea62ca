import Console
import Plot

/// What of a value a plot does not show.
struct LeftOut {
    let field: String
    let x: String
    let isLogarithmic: Bool
    var tasksWithout = 0
    private var placeless = 0
    private var earlier = 0
    private var notFinite = 0
    private var notPositive = 0

    init(field: String, x: String, isLogarithmic: Bool) {
        self.field = field
        self.x = x
        self.isLogarithmic = isLogarithmic
    }

    /// - Parameters:
    ///   - total: How many values a task has.
    ///   - placeless: Those of them with nothing to be drawn along.
    ///   - points: What is left of them.
    mutating func count(of total: Int, placeless: Int, _ points: [Plot.Point]) {
        self.placeless += placeless
        earlier += max(0, total - placeless - points.count)
        notFinite += points.count { !$0.y.isFinite || !$0.x.isFinite }
        if isLogarithmic { notPositive += points.count { $0.y.isFinite && $0.y <= 0 } }
    }

    /// On standard error, a line where there is something to tell.
    func tell(ofTasks tasks: Int) {
        var facts: [String] = []
        if tasksWithout == tasks {
            facts.append("no entry has it")
        } else if tasksWithout > 0 {
            facts.append("\(tasksWithout) of \(counted(tasks, "task")) have none")
        }
        func add(_ count: Int, _ what: String) {
            if count > 0 { facts.append("\(counted(count, "value")) \(what)") }
        }
        add(notFinite, "NaN or infinite")
        add(notPositive, "not positive")
        add(placeless, "without '\(x)'")
        add(earlier, "of an earlier attempt")
        if facts.isEmpty { return }
        StandardError.line(TerminalText.oneLine("not drawn of '\(field)': \(facts.joined(separator: ", "))"))
    }
}
