import ArgumentParser
import BSON
import Console
import TensorHub

struct LogExport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write entries of a log as CSV or JSON, oldest first, whatever their number.",
        discussion: """
            The columns of CSV: id, time, task, attempt, then every value by name. They are
            looked for in all entries first, unless --field names them. A value of the name
            of one of these four is in column value.task; the values of a document are in
            columns such as optimizer.lr. JSON is an object a line (JSON Lines), relaxed
            Extended JSON. --with-parameters adds the hyper-parameters of each entry's task,
            in columns such as parameter.lr; in JSON as hyper_parameters.

            Examples:
              tensorhub log export training --format csv > training.csv
              tensorhub log export training --name mnist --with-parameters > curves.csv
              tensorhub log export training --name mnist --field step --field loss
            """
    )

    enum Format: String, CaseIterable, ExpressibleByArgument {
        case csv
        case json
    }

    @Argument(help: LogKindName.help, completion: LogKindName.completion, transform: LogKindName.parse)
    var kind: LogKind

    @OptionGroup var selection: LogSelectionOptions

    @Option(help: "The order, such as 'loss:1,step:1'.")
    var sort: String?

    @Option(help: "csv or json.")
    var format: Format = .csv

    @Option(name: .customLong("field"), help: "This value alone; may be repeated. Dots lead into documents.")
    var fields: [String] = []

    @Flag(help: "Add the hyper-parameters of each entry's task.")
    var withParameters = false

    @OptionGroup var connection: ConnectionOptions

    /// Bytes that are written at once.
    private static let piece = 256 * 1024

    private func checkFields() throws(CommandFailure) {
        var seen = Columns()
        for field in fields {
            if field.isEmpty { throw .badInput("--field is empty; name a value") }
            let first = field.bytes.cut(atFirst: ".")?.before ?? field
            if LogEntry.reservedNames.contains(first.bytes) {
                throw .badInput(
                    "--field: '\(first)' is no value of a log entry; its id, time, task and attempt are always there"
                )
            }
            if seen.contains(field) { throw .badInput("--field '\(field)' is given twice; give it once") }
            seen.insert(field)
        }
        let whole = fields.first { field in fields.contains { $0.bytes.hasPrefix("\(field).") } }
        if let whole { throw .badInput("--field '\(whole)' is there whole; leave out the one that leads into it") }
    }

    func run() async throws {
        let order = try sort.map { try Sort($0) }
        try checkFields()
        let (hub, filter) = try await selection.open(connection)
        for field in fields where try await hub.logs(kind, filter && FieldPath(field).exists(), limit: 1).isEmpty {
            let names = try await hub.logFieldNames(kind, filter)
            if names.isEmpty { throw try await selection.nothing(kind, hub) }
            throw CommandFailure.badInput(
                TerminalText.oneLine(
                    "--field: no entry of the \(kind.rawValue) log that matches has '\(field)'; there are "
                        + names.joined(separator: ", ")
                )
            )
        }
        var columns = Columns(fields)
        let parameters = withParameters ? try await LogParameters(kind, filter, hub) : nil
        if format == .csv && fields.isEmpty {
            try await hub.forEachLog(kind, filter) { entry in
                for (key, _) in entry.values.flattened { columns.insert(key) }
            }
        }
        var text: [UInt8] = []
        var count = 0
        try await hub.forEachLog(kind, filter, sort: order, fields: fields) { entry in
            if count == 0 && format == .csv {
                let titles = LogColumns.titles(columns.names, hasParameters: withParameters)
                text += CSV.text([titles + (parameters?.titles ?? [])]).utf8
            }
            count += 1
            switch format {
            case .json:
                let document = parameters?.added(to: entry) ?? entry.document
                text += (document.extendedJSON() + "\n").utf8
            case .csv:
                let values =
                    fields.isEmpty
                    ? columns.cells(entry.values.flattened) : fields.map { entry.document.value(atPath: $0) }
                text += CSV.text([LogColumns.cells(entry, values + (parameters?.cells(entry) ?? []))]).utf8
            }
            if text.count >= Self.piece {
                StandardOutput.write(text)
                text.removeAll(keepingCapacity: true)
            }
        }
        StandardOutput.write(text)
        if count == 0 {
            throw try await selection.nothing(kind, hub)
        }
        StandardError.line("\(counted(count, "entry", "entries")) written")
    }
}
