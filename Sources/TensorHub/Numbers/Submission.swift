public import BSON

/// A task that was created.
public struct CreatedTask: Sendable, Hashable {
    public let id: ObjectID
    /// `nil` where the user may not count tasks.
    public internal(set) var number: Int?
}

/// What all tasks of one call of a submitter share: `hub.submit` and `hub.account`, and numbers in a row.
package struct Submission: Sendable {
    /// The number of the first task, which the submit is known by; `nil` where nobody may count.
    package let id: Int?
    /// The number of the next task.
    private var next: Int?
    /// How many tasks are still to come.
    private(set) var left: Int
    let account: String?

    init(first: Int?, count: Int, account: String?) {
        id = first
        next = first
        left = count
        self.account = account
    }

    mutating func takeNumber() -> Int? {
        left -= 1
        guard let number = next else { return nil }
        next = number + 1
        return number
    }

    /// - Parameter hub: Without any of these fields.
    func stamp(_ hub: inout BSONDocument, number: Int?) {
        if let number {
            hub.append("number", .int64(Int64(number)))
            hub.append("submit", .int64(Int64(id ?? number)))
        }
        if let account { hub.append("account", .string(account)) }
    }
}
