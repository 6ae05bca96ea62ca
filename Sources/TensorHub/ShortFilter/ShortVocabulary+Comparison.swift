import BSON

/// Comparisons of results, tags, hyper-parameters and the values of logs.
extension ShortVocabulary {
    /// Of a bare name the first place counts where there is a value of that name.
    ///
    /// - Returns: `nil` for a place that only other documents have.
    func comparison(_ name: ShortText, _ mark: ShortMark, _ value: ShortText) throws(HubError) -> BSONDocument? {
        if name.text.bytes == "age" { return try age(name, mark, value) }
        guard let paths = try paths(of: name, mark, value) else { return nil }
        let test = try ShortTest(mark, value)
        var branches: [BSONDocument] = []
        for (index, path) in paths.enumerated() {
            let isLast = index == paths.count - 1
            guard let operators = isLast ? test.last : test.anywhere else { continue }
            var branch = BSONDocument(elements: paths[..<index].map { ($0, ["$exists": false]) })
            branch.append(path, .document(operators))
            branches.append(branch)
        }
        return branches.count == 1 ? branches[0] : ["$or": .array(branches.map(BSONValue.document))]
    }

    private func paths(of name: ShortText, _ mark: ShortMark, _ value: ShortText) throws(HubError) -> [String]? {
        let path = name.text
        if name.hasStar { throw name.fault("a name has no '*'; write it out, or put it in quotes") }
        let onePath = try explicitPath(path) { name.fault($0) }
        if isPlaceOfOthers(path) { return nil }
        if let onePath { return [onePath] }
        if fields.hasBytes(of: path) {
            throw name.fault(
                "the field is written with a colon: \(path):\(value.written); "
                    + "\(explicit(path, mark, value)) is a value of that name"
            )
        }
        if path.bytes == "_id" || path.bytes == nameField?.bytes {
            throw name.fault("write it as \(path.bytes == "_id" ? "id" : "name"):\(value.written)")
        }
        let paths = chainPaths(path)
        if paths.isEmpty {
            throw name.fault("that is a field of TensorHub's own, which is compared by age<2h, hub.NAME or --filter")
        }
        return paths
    }

    /// The path of a name that says in which place it is: `hyper_parameters.lr` of `parameter.lr`; `nil` for a bare
    /// one.
    ///
    /// - Parameter fault: The error that says what is wrong with the name.
    func explicitPath(_ name: String, fault: (String) -> HubError) throws(HubError) -> String? {
        for part in name.bytes.split(separator: ".", omittingEmptySubsequences: false) {
            if part == "" { throw fault("a name lacks between its dots; write it as optimizer.lr") }
            if part.text.bytes.hasPrefix("$") {
                throw fault("no name begins with '$'; MongoDB's operators are for --filter")
            }
        }
        for place in places {
            guard let rest = name.bytes.dropping(place.word.bytes) else { continue }
            if place.path.isEmpty, isReserved(rest) {
                throw fault("'\(rest)' is a field of TensorHub's own, so nothing else can be called that")
            }
            return place.path + rest
        }
        return nil
    }

    /// Where a bare name is looked for; the first place that has it counts.
    func chainPaths(_ name: String) -> [String] {
        (isReserved(name) ? chain.filter { !$0.isEmpty } : chain).map { $0 + name }
    }

    private func isReserved(_ path: String) -> Bool {
        reserved.contains((path.bytes.cut(atFirst: ".")?.before ?? path).bytes)
    }
}

/// What a comparison asks of a place, as MongoDB's operators.
struct ShortTest: Sendable {
    /// Where the value is there; `nil`: it must not be.
    let anywhere: BSONDocument?
    /// The same of the last place where it can be.
    let last: BSONDocument?

    init(_ mark: ShortMark, _ value: ShortText) throws(HubError) {
        if value.hasStar { try self.init(mark, pattern: value) } else { try self.init(mark, value: value) }
    }

    private init(_ mark: ShortMark, pattern: ShortText) throws(HubError) {
        if mark.isOrder {
            throw pattern.fault("'*' goes with = and != alone; put it in quotes where it is meant itself")
        }
        if pattern.isAnything {
            anywhere = mark == .unequal ? nil : ["$exists": true]
            last = ["$exists": .bool(mark != .unequal)]
            return
        }
        let matches: BSONDocument = ["$regex": .regularExpression(pattern.wholePattern)]
        anywhere = mark == .unequal ? ["$exists": true, "$not": .document(matches)] : matches
        last = anywhere
    }

    private init(_ mark: ShortMark, value text: ShortText) throws(HubError) {
        let value = try Self.value(text)
        if mark.isOrder {
            let isNumber = value.doubleValue.map { !$0.isNaN } ?? false
            guard isNumber || text.isQuoted else {
                throw text.fault("'\(mark.rawValue)' compares numbers, as 0.9; a text in quotes is compared with texts")
            }
        }
        switch (mark, value) {
        case (.unequal, _): anywhere = ["$exists": true, "$ne": value]
        case (_, .null): anywhere = ["$exists": true, "$eq": .null]
        default: anywhere = [mark.comparison: value]
        }
        // What has no value at all is null.
        last = mark == .equal && value == .null ? ["$eq": .null] : anywhere
    }

    /// As JSON has numbers, true, false and null; else text.
    private static func value(_ text: ShortText) throws(HubError) -> BSONValue {
        if text.isQuoted { return .string(text.text) }
        switch text.text.bytes {
        case "true": return true
        case "false": return false
        case "null": return .null
        default: break
        }
        if text.text.bytes.hasPrefix("[") || text.text.bytes.hasPrefix("{") {
            throw text.fault("lists and documents are compared by --filter; put it in quotes where it is a text")
        }
        do {
            let value = try BSONValue(extendedJSON: text.text, options: .nonFinite)
            if value.doubleValue != nil { return value }
        } catch {
            if error.code == .unrepresentable { throw text.fault(error.message) }
        }
        return .string(text.text)
    }
}
