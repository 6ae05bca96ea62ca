import ArgumentParser

/// `tensorhub log ...`
struct LogVerbs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log",
        abstract: "Save, list, follow, plot and export training, validation and testing logs.",
        discussion: """
            An entry is a few values under names of your own, with the time; entries of a
            script carry its task. (What a script prints is `tensorhub logs`.)

            Examples:
              tensorhub log add training loss=0.3 step=4
              tensorhub log ls training --name mnist -f
              tensorhub log plot loss --name mnist --svg loss.svg
              tensorhub log export training --format csv > training.csv
            """,
        subcommands: [LogAdd.self, LogList.self, LogRemove.self, LogExport.self, LogPlot.self]
    )
}
