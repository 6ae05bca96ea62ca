import Console
import Synchronization
import TensorHub

/// How far the tasks are: a bar on a terminal, elsewhere a line whenever another task has ended.
final class ProgressView: Sendable {
    private struct State {
        var lastDone: Int?
        var isDrawn = false
        var progress: TaskProgress?
        /// `about 12m03s left`.
        var rest: String?
        var isRestTold = false
    }

    private let state = Mutex(State())
    private let isTerminal = StandardError.isTerminal

    func show(_ progress: TaskProgress) {
        state.withLock { state in
            state.progress = progress
            if isTerminal { return draw(&state) }
            let done = progress.total - progress.unfinished
            if done != state.lastDone, progress.unfinished > 0 { StandardError.line(Self.words(progress)) }
            state.lastDone = done
        }
    }

    /// Tells how long the rest may take: behind the bar, elsewhere once.
    func show(rest: Duration?, siblings: Int) {
        state.withLock { state in
            guard let rest else {
                state.rest = nil
                return
            }
            let words = "about \(rest.shortText) left"
            state.rest = words
            if isTerminal {
                draw(&state)
            } else if !state.isRestTold {
                state.isRestTold = true
                StandardError.line("\(words), by \(counted(siblings, "finished task")) of the same kind")
            }
        }
    }

    /// A line of its own, above the bar.
    func say(_ line: String) {
        state.withLock { state in
            erase(&state)
            StandardError.line(TerminalText.oneLine(line))
            if isTerminal { draw(&state) }
        }
    }

    private func draw(_ state: inout State) {
        guard let progress = state.progress else { return }
        StandardError.write("\r\u{1B}[K" + Self.bar(progress, rest: state.rest, width: StandardError.width))
        state.isDrawn = true
        Interrupt.isLineOpen = true
    }

    private func erase(_ state: inout State) {
        if state.isDrawn { StandardError.write("\r\u{1B}[K") }
        state.isDrawn = false
        Interrupt.isLineOpen = false
    }

    /// Removes the bar.
    func finish() { state.withLock { erase(&$0) } }

    /// `3 of 10 tasks ended: 2 finished, 1 failed; 4 running, 3 pending`.
    static func words(_ progress: TaskProgress) -> String {
        func list(_ statuses: [TaskStatus]) -> String {
            statuses.filter { progress[$0] > 0 }.map { "\(progress[$0]) \($0)" }.joined(separator: ", ")
        }
        let known: [TaskStatus] = [.finished, .failed, .cancelled]
        let ended = list(known)
        let open = list([.running, .pending])
        let other = progress.total - progress.unfinished - known.reduce(0) { $0 + progress[$1] }
        let parts = [ended, other > 0 ? "\(other) in a state of another program's" : ""].filter { !$0.isEmpty }
        let start =
            progress.unfinished == 0
            ? counted(progress.total, "task") + " ended"
            : "\(progress.total - progress.unfinished) of \(counted(progress.total, "task")) ended"
        return start + (parts.isEmpty ? "" : ": " + parts.joined(separator: ", ")) + (open.isEmpty ? "" : "; " + open)
    }

    static func bar(_ progress: TaskProgress, rest: String? = nil, width: Int) -> String {
        let words = words(progress) + (rest.map { "; \($0)" } ?? "")
        let room = min(40, width - words.count - 4)
        if room < 5 { return TerminalText.truncated(words, to: max(1, width - 1)) }
        let filled = Int(progress.fraction * Double(room))
        return "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: room - filled) + "] " + words
    }
}
