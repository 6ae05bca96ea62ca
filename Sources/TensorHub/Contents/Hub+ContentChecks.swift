package import BSON

/// What would be refused when it is stored, told before: by whoever writes it down to be stored later.
extension Hub {
    /// - Throws: `HubError.invalidInput`, as `saveDataSet` would.
    package static func checkDataSet(_ content: Content, name: String, tags: BSONDocument) throws(HubError) {
        try check(content, name, tags, [:], .dataSets)
    }

    /// - Throws: `HubError.invalidInput`, as `saveModel` would.
    package static func checkModel(
        _ parameters: Content?,
        name: String,
        architecture: BSONDocument,
        tags: BSONDocument
    ) throws(HubError) {
        try TaskSpec.validateKeys(of: architecture, at: "architecture")
        if architecture.bytes.count > largestContentDocument {
            throw .invalid(
                "architecture",
                "the architecture has \(architecture.bytes.count) bytes and the limit is \(largestContentDocument); "
                    + "store what is large as a file of the parameters"
            )
        }
        try check(parameters, name, tags, architecture, .models)
    }

    private static func check(
        _ content: Content?,
        _ name: String,
        _ tags: BSONDocument,
        _ architecture: BSONDocument,
        _ collection: ContentCollection
    ) throws(HubError) {
        try Content.validate(name: name, noun: collection.noun)
        try Content.validate(tags: tags, reserved: collection.reservedNames)
        try content?.validate()
        let size = name.utf8.count + tags.bytes.count + architecture.bytes.count + (content.map(estimatedSize) ?? 0)
        try checkSize(size + sizeOfOrigin, collection)
    }

    /// Bytes for what is not known yet: the project, the identifier, the version, and the lineage, which are a few
    /// hundred data sets.
    private static let sizeOfOrigin = 64 * 1024
}
