import ArgumentParser
import BSON
import Console
import Plot
import TensorHub

struct LogPlot: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plot",
        abstract: "Draw values of a log: in the terminal, as SVG, as PNG.",
        discussion: """
            A line for each task and value, over `step` where the entries have it, else in
            their order; with --x time over the time since the task's first entry. Where a
            task was begun again, its later attempt counts from its first step on; along
            order or time only the latest attempt is drawn. NaN leaves a gap.

            Examples:
              tensorhub log plot loss --name mnist
              tensorhub log plot loss val_loss --task 412 --log-scale
              tensorhub log plot accuracy --kind validation --x epoch --png accuracy.png
            """
    )

    @Argument(help: "The values to draw; dots lead into documents.")
    var fields: [String]

    @Option(
        help: "Which log: training, validation or testing (or train, valid, test); training unless given.",
        completion: LogKindName.completion,
        transform: LogKindName.parse
    )
    var kind: LogKind?

    private var log: LogKind { kind ?? .training }

    @OptionGroup var selection: LogSelectionOptions

    @Option(help: "What is drawn along: step, time, order, or another value.")
    var x: String?

    @Flag(help: "A logarithmic scale; values that are not positive leave gaps.")
    var logScale = false

    @Option(help: "Write an SVG picture instead of drawing in the terminal.", completion: .file(extensions: ["svg"]))
    var svg: String?

    @Option(help: "Write a PNG picture instead of drawing in the terminal.", completion: .file(extensions: ["png"]))
    var png: String?

    @Option(help: "Pixels of the picture.")
    var size = "1200x700"

    @Option(help: "Columns of the drawing (else the terminal's, or 80).")
    var width: Int?

    @Option(help: "Rows of the drawing.")
    var height = 20

    @Option(help: ColourChoice.help(of: "the curves"))
    var color = ColourChoice.auto

    @OptionGroup var connection: ConnectionOptions

    func validate() { ColourChoice.current = color }

    func run() async throws {
        let size = try pixels()
        if let width, !(30...1000).contains(width) {
            throw CommandFailure.badInput("--width is \(width); it must be from 30 to 1000")
        }
        guard (4...500).contains(height) else {
            throw CommandFailure.badInput("--height is \(height); it must be from 4 to 500")
        }
        if let field = (fields + [x ?? "step"]).first(where: \.isEmpty)
            ?? fields.first(where: { LogEntry.reservedNames.contains($0.bytes) })
        {
            throw CommandFailure.badInput("'\(field)' is no value of a log entry; name one, such as loss")
        }
        if fields.uniqueByBytes().count < fields.count {
            throw CommandFailure.badInput("a value is named twice; name each once")
        }
        let (hub, filter) = try await selection.open(connection)
        var curves = LogCurves(fields: fields, x: x)
        try await hub.forEachLog(log, filter, fields: curves.wanted) { try curves.add($0) }
        if curves.isEmpty { throw try await nothing(hub, filter) }
        let plot = try await curves.plot(hub, isLogarithmic: logScale)
        if !plot.isDrawable {
            throw CommandFailure.nothingMatched(
                "no value of \(fields.joined(separator: ", ")) can be drawn: all are NaN or infinite"
                    + (logScale ? ", or not positive; leave --log-scale out" : "")
            )
        }
        if let svg { try OutputFile.write(Array(plot.svg(width: size.width, height: size.height).utf8), to: svg) }
        if let png { try OutputFile.write(plot.png(width: size.width, height: size.height), to: png) }
        guard svg == nil && png == nil else { return }
        StandardOutput.write(
            plot.terminalText(
                width: width ?? StandardOutput.width ?? 80,
                height: height,
                hasColours: StandardOutput.hasColours
            )
        )
    }

    private func pixels() throws -> (width: Int, height: Int) {
        let numbers = size.bytes.split(separator: "x", omittingEmptySubsequences: false).map { Int($0.text) }
        guard numbers.count == 2, let width = numbers[0], let height = numbers[1],
            Plot.pixels.contains(width), Plot.pixels.contains(height)
        else {
            throw CommandFailure.badInput(
                "--size '\(size)' is no size; write 1200x700, each from \(Plot.pixels.lowerBound) to "
                    + "\(Plot.pixels.upperBound)"
            )
        }
        return (width, height)
    }

    private func nothing(_ hub: Hub, _ filter: Filter) async throws -> CommandFailure {
        let names = try await hub.logFieldNames(log, filter)
        if names.isEmpty { return try await selection.nothing(log, hub) }
        return CommandFailure.nothingMatched(
            "no entry of the \(log.rawValue) log has \(fields.joined(separator: " or ")); there are "
                + names.joined(separator: ", ")
        )
    }
}
