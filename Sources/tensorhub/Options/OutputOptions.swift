import ArgumentParser
import BSON
import Console

/// How documents are written: to programs or to people.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Write relaxed Extended JSON, which every JSON parser and every MongoDB tool reads.")
    var json = false

    @Option(help: ColourChoice.help(of: "states and failures"))
    var color = ColourChoice.auto

    func validate() { ColourChoice.current = color }

    /// Writes one document, or what it says to people.
    func show(_ document: @autoclosure () -> BSONDocument, or text: @autoclosure () -> String) {
        if json { StandardOutput.line(document().extendedJSON(pretty: true)) } else { StandardOutput.write(text()) }
    }

    /// Tells what was stored: the whole document, or its id.
    func receipt(_ document: BSONDocument, _ id: ObjectID?) {
        StandardOutput.receipt((json ? document.extendedJSON(pretty: true) : id?.description ?? "") + "\n")
    }

    /// Tells programs how many something was done to, as `{"deleted": 3}`; people are told on standard error.
    func receipt(_ count: Int, _ done: String) { receipt([(done, count)]) }

    /// The same of several counts.
    func receipt(_ counts: [(String, Int)]) {
        if json {
            let elements = counts.map { ($0, BSONValue(smallest: $1)) }
            StandardOutput.receipt(BSONDocument(elements: elements).extendedJSON() + "\n")
        }
    }
}
