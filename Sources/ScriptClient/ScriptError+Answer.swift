import BSON

extension ScriptError {
    /// What an answer from 400 up says.
    init(_ answer: HTTPAnswer) {
        let facts = answer.document?["error"]?.documentValue ?? [:]
        self.init(
            Code(rawValue: facts["code"]?.stringValue ?? "status-\(answer.status)"),
            status: answer.status,
            field: facts["field"]?.stringValue,
            facts["message"]?.stringValue ?? "the runner answered with status \(answer.status)"
        )
        suggestions = facts["suggestions"]?.arrayValue?.compactMap(\.stringValue) ?? []
    }
}
