import BSON

/// The fields that stand before a colon, and the age.
extension ShortVocabulary {
    /// `nil` for a field that only other documents have.
    func field(_ field: ShortText, _ value: ShortText) throws(HubError) -> BSONDocument? {
        let word = field.text.bytes
        guard fields.hasBytes(of: word.text) else {
            if Self.isFieldOfOthers(word) { return nil }
            throw unknown(field)
        }
        switch word {
        case "state", "status": return ["status": TaskSelection.oneOf(try states(value))]
        case "name": return [nameField ?? "name": Self.wholeText(value)]
        case "id": return ["_id": TaskSelection.oneOf(try identifiers(value))]
        case "task": return ["hub.task": TaskSelection.oneOf(try identifiers(value))]
        case "runner": return ["hub.history.host": Self.wholeText(value)]
        case "host":
            // A runner that is called as its machine stores that once.
            let name = Self.wholeText(value)
            return ["$or": [["hub.history.machine": name], ["hub.history.host": name]]]
        default: throw field.fault("the \(word) is compared: \(word)<2h, \(word)>=7d")
        }
    }

    private func unknown(_ field: ShortText) -> HubError {
        let near = NearNames.of(field.text, among: fields)
        var error = field.fault(
            "\(noun) have no field of that name; "
                + (near.isEmpty ? "their fields are \(fields.joined(separator: ", "))" : "did you mean \(near[0]):?")
                + " Values are compared by =, and a text with a colon that is looked for stands in quotes"
        )
        error.suggestions = near
        return error
    }

    private static func wholeText(_ value: ShortText) -> BSONValue {
        value.hasStar ? .regularExpression(value.wholePattern) : .string(value.text)
    }

    private func states(_ value: ShortText) throws(HubError) -> [BSONValue] {
        let known = TaskStatus.all.map(\.rawValue)
        return try value.text.bytes.split(separator: ",", omittingEmptySubsequences: false).map {
            word throws(HubError) in
            if known.hasBytes(of: word.text) { return .string(word.text) }
            let near = NearNames.of(word.text, among: known)
            var error = value.fault(
                "'\(word)' is no state of a task; "
                    + (near.isEmpty ? "the states are \(known.joined(separator: ", "))" : "did you mean '\(near[0])'?")
            )
            error.suggestions = near
            throw error
        }
    }

    private func identifiers(_ value: ShortText) throws(HubError) -> [BSONValue] {
        try value.text.bytes.split(separator: ",", omittingEmptySubsequences: false).map { text throws(HubError) in
            guard let id = ObjectID(text.text) else {
                throw value.fault(
                    "'\(text)' is no id, which has 24 hexadecimal digits; name: selects by name, and a hub resolves numbers"
                )
            }
            return .objectID(id)
        }
    }

    // MARK: Age

    /// Of the time of the document, by the server's clock.
    func age(_ name: ShortText, _ mark: ShortMark, _ value: ShortText) throws(HubError) -> BSONDocument {
        guard mark.isOrder else {
            throw name.fault(
                "an age is compared by < <= > or >=: age<2h; \(explicit("age", mark, value)) is a value of that name"
            )
        }
        guard let milliseconds = Self.milliseconds(value) else {
            throw value.fault(
                "an age is a number with a unit, as 90s, 30m, 2h, 7d or 3w; "
                    + "\(explicit("age", mark, value)) is a value of that name"
            )
        }
        let then: BSONValue = ["$subtract": ["$$NOW", .int64(milliseconds)]]
        // The younger, the later.
        let comparison =
            switch mark {
            case .less: "$gt"
            case .atMost: "$gte"
            case .greater: "$lt"
            default: "$lte"
            }
        return ["time": ["$type": "date"], "$expr": .document([comparison: ["$time", then]])]
    }

    private static func milliseconds(_ value: ShortText) -> Int64? {
        if value.isQuoted || value.hasStar { return nil }
        let units: [(ByteString, Double)] = [("s", 1e3), ("m", 60e3), ("h", 3600e3), ("d", 86400e3), ("w", 604_800e3)]
        for (unit, length) in units {
            guard let digits = value.text.bytes.dropping(end: unit), let number = try? WrittenNumber.value(digits)
            else {
                continue
            }
            let milliseconds = (number.doubleValue ?? -1) * length
            // A thousand years fit any clock.
            return (0...3.2e13).contains(milliseconds) ? Int64(milliseconds) : nil
        }
        return nil
    }

    /// The same comparison of a value that is no field: `parameter.age<30`.
    func explicit(_ name: String, _ mark: ShortMark, _ value: ShortText) -> String {
        let place = chain.contains("hyper_parameters.") ? "parameter." : places[0].word
        return "\(place)\(name)\(mark.rawValue)\(value.written)"
    }
}
