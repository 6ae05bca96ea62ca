import BSON
import TensorHub

extension AttemptOutcome {
    struct ResultFault: Error, Equatable {
        var kind: Kind
        var message: String
    }

    /// The result of a script that ended with status 0. Keys that were not asked for are kept; of a repeated key the
    /// last value counts, as in Python. What the script API was told goes before what is in the file.
    static func result(
        _ file: [UInt8]?,
        reported: BSONDocument? = [:],
        refused: BSONDocument = [:],
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
            let both = [result, reported].flatMap { $0.map { ($0.key, $0.value) } }
            result = BSONDocument(elements: both).withoutRepeatedKeys
            guard result.bytes.count <= limit else {
                let message =
                    "the results take \(result.bytes.count) bytes in the database; their task has room for \(limit)"
                return .failure(ResultFault(kind: .badResult, message: message))
            }
        }
        if result.isNested(deeperThan: LogEntry.deepest) {
            let message = "the results are nested deeper than \(LogEntry.deepest) levels, which MongoDB does not take"
            return .failure(ResultFault(kind: .badResult, message: message))
        }
        let there = keys.isEmpty ? [] : Set(result.map { Array($0.key.utf8) })
        let missing = keys.filter { !there.contains(Array($0.utf8)) }
        guard missing.isEmpty else {
            return .failure(fault(missing: missing, refused: refused))
        }
        return .success(result)
    }

    /// A result that is there and cannot be stored is not called missing.
    private static func fault(missing: [String], refused: BSONDocument) -> ResultFault {
        let reasons = missing.compactMap { key in refused.text(ofLast: key).map { (key: key, reason: $0) } }
        let absent = missing.filter { key in refused.text(ofLast: key) == nil }.map { "'\($0)'" }
        var message = reasons.map { "the result '\($0.key)' cannot be stored: \($0.reason)" }.joined(separator: "; ")
        if !absent.isEmpty {
            let keys = "the saved result key\(absent.count > 1 ? "s" : "") \(absent.joined(separator: ", "))"
            message += (reasons.isEmpty ? "the script ended without " : "; it ended without ") + keys
        }
        return ResultFault(kind: reasons.isEmpty ? .missingResult : .badResult, message: message)
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
        return .success(document.withoutRepeatedKeys)
    }
}

extension BSONDocument {
    fileprivate func text(ofLast key: String) -> String? {
        reduce(nil) { found, element in
            element.key.utf8.elementsEqual(key.utf8) ? element.value.stringValue : found
        }
    }
}
