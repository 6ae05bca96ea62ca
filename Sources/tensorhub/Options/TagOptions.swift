import ArgumentParser
import BSON
import Console

/// What something that is stored is found by, and how people tell it apart.
struct TagOptions: ParsableArguments {
    @Option(help: "A description, for people.")
    var description: String?

    @Option(
        name: .customLong("tag"),
        help: ArgumentHelp(
            "A field to search by: JSON, a number, None, True, False, nan or inf, else text; may be repeated.",
            valueName: "name=value"
        )
    )
    var tags: [String] = []

    /// - Parameter metrics: Fields besides, of other names.
    /// - Throws: A failure of status 2 for a name that is given twice.
    func document(and metrics: BSONDocument = [:]) throws -> BSONDocument {
        var document = BSONDocument()
        if let description { document.append("description", .string(description)) }
        let tags = try Assignment.document(tags, flag: "--tag", filesAllowed: false, repeatsAllowed: false)
        for (flag, fields) in [("--tag", tags), ("--metric", metrics)] {
            for (name, value) in fields {
                if document[name] != nil {
                    let other = name == "description" && description != nil ? "--description" : "--tag"
                    throw CommandFailure.badInput("'\(name)' is given by \(other) and by \(flag); give it once")
                }
                document.append(name, value)
            }
        }
        return document
    }
}
