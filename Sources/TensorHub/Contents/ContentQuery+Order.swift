import BSON

extension ContentQuery {
    /// The order in which one is looked for: the highest version of a name, among several names the newest.
    var order: Sort {
        sort ?? (name == nil ? .newest : Sort(["hub.version": -1, "time": -1, "_id": -1]))
    }

    /// The field that counts most in an order of the caller's, where some documents may lack it or hold anything there.
    /// As ``Sort/ranks(_:)`` has it.
    var rankedField: String? {
        // Everything has a time.
        sort == .newest || sort == .oldest ? nil : sort?.rankedField(plain: [])
    }

    /// What has a value there; NaN is none.
    static func ranked(_ field: String) -> Filter {
        Filter([field: ["$nin": [.null, .double(.nan)]]])
    }

    static func unranked(_ field: String) -> Filter {
        Filter([field: ["$in": [.null, .double(.nan)]]])
    }

    /// - Throws: `HubError.invalidInput` for what MongoDB would take as something else, or refuse in words of its own.
    func validate() throws(HubError) {
        if let name, name.isEmpty || name.utf8.contains(0) {
            throw .invalid("name", "the name is empty or holds a NUL character; give a word or leave it out")
        }
        if let version, version < 1 {
            throw .invalid("version", "version is \(version); versions count from 1, and left out it means the newest")
        }
        for (field, direction) in sort?.document ?? [:] where !field.isEmpty {
            if let number = direction.intValue, abs(number) == 1 { continue }
            if direction.documentValue?["$meta"] != nil { continue }
            throw .invalid("sort", "sort: the direction of '\(field)' is \(direction); it must be 1 or -1")
        }
        if let sort, sort.document.isEmpty || sort.document.keys.contains("") {
            throw .invalid("sort", "sort names no field; write it as 'test_accuracy:-1', or leave it out")
        }
    }
}
