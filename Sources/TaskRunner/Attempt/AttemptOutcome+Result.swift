import BSON

extension AttemptOutcome {
    struct ResultFault: Error, Equatable {
        var kind: Kind
        var message: String
    }

    /// The result of a script that ended with status 0. Keys that were not asked for are kept; of a repeated key the last
    /// value counts, as in Python. What the script API was told goes before what is in the file.
    static func result(
        _ file: [UInt8]?,
        reported: BSONDocument? = [:],
        keys: [String],
        limit: Int = AttemptDirectory.resultLimit
    ) -> Result<BSONDocument, ResultFault> {
        guard let reported else {
            let message = "the results that the script API was told cannot be read: the disk has damaged them"
            return .failure(ResultFault(kind: .badResult, message: message))
        }
        var result: BSONDocument = [:]
        if let file {
            switch document(file, limit) {
            case .success(let document): result = document
            case .failure(let fault): return .failure(fault)
            }
        }
        if !reported.isEmpty {
            for (key, value) in reported { result[key] = value }
            guard result.bytes.count <= limit else {
                let message =
                    "the results take \(result.bytes.count) bytes in the database; their task has room for \(limit)"
                return .failure(ResultFault(kind: .badResult, message: message))
            }
        }
        let missing = keys.filter { result[$0] == nil }
        guard missing.isEmpty else {
            let names = missing.map { "'\($0)'" }.joined(separator: ", ")
            let message = "the script ended without the saved result key\(missing.count > 1 ? "s" : "") \(names)"
            return .failure(ResultFault(kind: .missingResult, message: message))
        }
        return .success(result)
    }

    private static func document(_ file: [UInt8], _ limit: Int) -> Result<BSONDocument, ResultFault> {
        func bad(_ message: String) -> Result<BSONDocument, ResultFault> {
            .failure(ResultFault(kind: .badResult, message: "the result file \(message)"))
        }
        guard file.count <= limit else { return bad("is larger than the \(limit) bytes that its task has room for") }
        let document: BSONDocument
        do throws(BSONError) {
            let options = ExtendedJSONOptions(allowsNonFiniteLiterals: true, plain: true)
            guard case .document(let object) = try BSONValue(extendedJSON: file, options: options) else {
                return bad("holds no JSON object")
            }
            document = object
        } catch {
            return bad("is not JSON: \(error.message)")
        }
        guard document.bytes.count <= limit else {
            return bad("takes \(document.bytes.count) bytes in the database; its task has room for \(limit)")
        }
        return .success(withoutRepeatedKeys(document))
    }

    private static func withoutRepeatedKeys(_ document: BSONDocument) -> BSONDocument {
        var last: [String: BSONValue] = [:]
        var order: [String] = []
        for (key, value) in document {
            if last.updateValue(value, forKey: key) == nil { order.append(key) }
        }
        // The usual document has none and is not written anew.
        guard order.count < document.count else { return document }
        return BSONDocument(elements: order.map { ($0, last[$0] ?? .null) })
    }
}
