import BSON
import Console
import TensorHub

/// The order of tasks by one value of their results.
struct Ranking: Equatable {
    /// A name in the result, or a path such as `test.accuracy`; failing that, a hyper-parameter.
    var key: String
    var isSmallestBest: Bool

    /// `key`, `key:max` or `key:min`.
    init(_ text: String) throws(CommandFailure) {
        let pieces = text.bytes.split(separator: ":", omittingEmptySubsequences: false)
        let direction = pieces.count > 1 ? pieces.last?.text : "max"
        guard direction == "min" || direction == "max", pieces.count <= 2, let key = pieces.first, key != "" else {
            throw .badInput(
                "--best '\(text)' is no value to rank by; write test_accuracy, test_accuracy:max or loss:min"
            )
        }
        if pieces.count == 1, let word = Self.smallWord(in: key.text) {
            let shown = TerminalText.oneLine(key.text)
            throw .badInput(
                "--best '\(shown)': of a \(word) the smallest is mostly best; write \(shown):min or \(shown):max"
            )
        }
        self.key = key.text
        isSmallestBest = direction == "min"
    }

    /// The word in a name, such as `val_loss` or `validation/error`, for which few people mean the largest value.
    static func smallWord(in name: String) -> String? {
        name.lowercased().unicodeScalars.split { !$0.properties.isAlphabetic }.map { String($0) }
            .first { smallWords.hasBytes(of: $0) }
    }

    private static let smallWords = [
        "loss", "error", "err", "perplexity", "ppl", "time", "duration", "latency", "mse", "mae", "rmse", "wer", "cer",
    ]

    /// Best first. Behind the numbers come those that are NaN, then those without the value; equals stay in their
    /// order.
    ///
    /// - Throws: A failure of status 3 where no task has the value.
    func sorted(_ tasks: [TaskRecord]) throws(CommandFailure) -> [TaskRecord] {
        let values = tasks.map(value)
        guard values.contains(where: { $0 != nil }) else {
            let names = tasks.flatMap { $0.result.flattened.map(\.key) }.uniqueByBytes().sortedByBytes()
            let there = names.isEmpty ? "they have none" : "there are " + names.joined(separator: ", ")
            throw CommandFailure.nothingMatched("no result has a number '\(key)'; \(there)")
        }
        return tasks.indices.sorted { isBefore(values[$0], values[$1], $0, $1) }.map { tasks[$0] }
    }

    private func value(_ task: TaskRecord) -> Double? {
        // What the result has counts, also where that is no number: a hyper-parameter of the same name is another
        // thing.
        let value = Self.find(key, in: task.result) ?? task.hyperParameters.flatMap { Self.find(key, in: $0) }
        if case .decimal128(let decimal)? = value { return Double(decimal.description) }
        return value?.doubleValue
    }

    /// By its key, its path, or its column's name, in which dots within a key have a backslash.
    private static func find(_ key: String, in document: BSONDocument) -> BSONValue? {
        if let value = document[key] ?? document.value(atPath: key) { return value }
        guard key.bytes.contains("\\") else { return nil }
        return document.flattened.first { $0.key.bytes == key.bytes }?.value
    }

    private func isBefore(_ a: Double?, _ b: Double?, _ indexOfA: Int, _ indexOfB: Int) -> Bool {
        func group(_ value: Double?) -> Int { value.map { $0.isNaN ? 1 : 0 } ?? 2 }
        if group(a) != group(b) { return group(a) < group(b) }
        if let a, let b, a != b, !a.isNaN { return isSmallestBest ? a < b : a > b }
        return indexOfA < indexOfB
    }
}
