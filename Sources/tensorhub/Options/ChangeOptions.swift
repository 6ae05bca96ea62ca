import ArgumentParser
import BSON
import Console
import TensorHub

/// The selection of a verb that changes tasks: all of them only where that is said.
struct ChangeOptions: ParsableArguments {
    @OptionGroup var selection: SelectionOptions

    @Flag(help: "Every task of the project.")
    var all = false

    @Flag(help: "Ask nobody, however many they are.")
    var yes = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func checkedSelection() throws -> AskedTasks {
        let selection = try selection.selection()
        if selection.isAll && !all {
            throw CommandFailure.badInput(
                "no task is selected; give ids, --name, --status, --where, --filter, or --all for all of them"
            )
        }
        if all && !selection.isAll {
            throw CommandFailure.badInput("--all means every task; leave it out, or the other conditions")
        }
        return selection
    }

    /// Selects, changes, and says how many.
    ///
    /// - Parameters:
    ///   - done: The past participle: `cancelled`.
    ///   - condition: What a task must be for the change to concern it, for the message when none is.
    ///   - telling: What to say of so many; unless given, `3 tasks cancelled`.
    func change(
        _ done: String,
        where condition: String,
        _ body: (Hub, TaskSelection) async throws -> Int,
        telling: ((Int) -> Told)? = nil
    ) async throws {
        let asked = try checkedSelection()
        let hub = try await connection.hub()
        let selection = try await asked.tasks(of: hub, isTold: true)
        if !yes { try await confirm(done, selection, hub) }
        let count = try await body(hub, selection)
        let told = telling?(count) ?? Told(words: "\(counted(count, "task")) \(done)", counts: [(done, count)])
        output.receipt(told.counts)
        if count == 0 {
            let words = "nothing was \(done): no task of the selection is \(condition)"
            throw await NothingMatched.failure(selection, hub, words)
        }
        let others = Set(selection.ids).count - count
        let rest = others > 0 ? " (\(counted(others, "other id")): not there, or not \(condition))" : ""
        StandardError.line(told.words + rest)
    }

    /// What is said of a change: to people, and to programs.
    struct Told {
        var words: String
        var counts: [(String, Int)]
    }

    /// So many are changed without a question.
    private static let few = 20

    /// A person is asked who is about to change more than they may have meant.
    private func confirm(_ done: String, _ selection: TaskSelection, _ hub: Hub) async throws {
        let isAsked = StandardInput.isTerminal && StandardError.isTerminal
        guard isAsked, selection.ids.isEmpty || selection.ids.count > Self.few else { return }
        let count = try await hub.countTasks(selection).values.reduce(0, +)
        guard count > Self.few else { return }
        StandardError.write("\(counted(count, "task")) of the selection are to be \(done). Go on? [y/N] ")
        let answer = readLine()?.first.map { $0 == "y" || $0 == "Y" } ?? false
        if !answer { throw CommandFailure.badInput("nothing was \(done)") }
    }
}
