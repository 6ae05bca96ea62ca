import BSON

/// Numbers of tasks in `id:` and `task:`.
extension ShortCondition {
    /// What the condition names tasks by; `nil` where it names none, or all by identifiers.
    func references() throws(HubError) -> [TaskReference]? {
        guard case .field(let field, let value) = self, ["id", "task"].hasBytes(of: field.text) else { return nil }
        let words = value.text.bytes.split(separator: ",", omittingEmptySubsequences: false).map(\.text)
        if words.allSatisfy({ ObjectID($0) != nil }) { return nil }
        return try words.map { word throws(HubError) in
            if let reference = try? TaskReference(word), !reference.isOfCaller { return reference }
            throw value.fault(
                "'\(word)' is no id, which has 24 hexadecimal digits, nor the number of a task, as 412 or 410..420; "
                    + "name: selects by name"
            )
        }
    }

    func replacing(by ids: [ObjectID]) -> ShortCondition {
        guard case .field(let field, var value) = self else { return self }
        value.pieces = [ids.map(\.description).joined(separator: ",")]
        return .field(field, value)
    }
}
