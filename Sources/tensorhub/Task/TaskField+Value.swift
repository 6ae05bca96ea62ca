import BSON
import Console
import TensorHub

/// What a field is of a task that has been found.
extension TaskField {
    /// Whole, for programs: lengths of time are seconds. `nil` where the task has none.
    func value(of task: TaskRecord, now: BSONDateTime) -> BSONValue? {
        switch place {
        case .path(let path): task.document.value(atPath: path)
        case .firstOf(let paths): paths.lazy.compactMap { task.document.value(atPath: $0) }.first
        case .own(let own): Self.value(own, task, now)
        }
    }

    private static func value(_ own: Own, _ task: TaskRecord, _ now: BSONDateTime) -> BSONValue? {
        func text(_ text: String?) -> BSONValue? { text.map(BSONValue.string) }
        return switch own {
        case .id: task.document["_id"]
        case .number: task.number.map { .init(smallest: $0) }
        case .name: text(task.name)
        case .state: text(task.status.rawValue)
        case .attempt: .init(smallest: task.attempt)
        case .age: task.time.map { seconds(now.since($0)) }
        case .time: task.time.map(BSONValue.dateTime)
        case .started: task.started.map(BSONValue.dateTime)
        case .ended: task.ended.map(BSONValue.dateTime)
        case .duration: task.duration(now: now).map(seconds)
        case .host: text(task.history.last?.machine)
        case .runner: text(task.history.last?.host)
        case .script: nil
        case .failure: text(task.status == .failed ? task.error?.reason : nil)
        case .parameters: task.hyperParameters.map(BSONValue.document)
        case .result: .document(task.result)
        case .tags: .document(task.tags)
        }
    }

    private static func seconds(_ duration: Duration) -> BSONValue {
        .double(Double(duration.wholeMilliseconds) / 1000)
    }

    /// One of its values, for people.
    func shown(_ value: BSONValue) -> String {
        switch (place, value) {
        case (.own(.duration), .double(let seconds)), (.own(.age), .double(let seconds)): Self.length(seconds)
        case (_, .dateTime(let time)): time.shownText
        case (_, .document(let document)) where isOwn: document.tableText
        default: ShownNumber.text(value) ?? value.tableText
        }
    }

    /// Of so many seconds; odd documents have lengths that no clock shows.
    static func length(_ seconds: Double) -> String {
        Duration.milliseconds(Int64(exactly: (seconds * 1000).rounded()) ?? .max).shortText
    }

    private var isOwn: Bool { if case .own = place { true } else { false } }

    /// The heading of its column for people.
    var title: String { if case .own(let own) = place { own.rawValue.uppercased() } else { text } }

    /// The column of such values for people: numbers are aligned, names and texts may be cut.
    func column(of values: [BSONValue?]) -> Table.Column {
        switch place {
        case .own(.id), .own(.number): Table.Column(title)
        case .own(.state): StateColour.column(title)
        case .own(.name), .own(.host), .own(.runner): Table.Column(title, isName: true)
        case .own(.time), .own(.started), .own(.ended): Table.Column(title)
        default: Table.Column(title, of: values)
        }
    }

    /// The cells of such values below each other, for people.
    func cells(_ values: [BSONValue?]) -> [String] {
        let texts = values.map { $0.map(shown) ?? "" }
        return place == .own(.duration) || place == .own(.age) ? texts : ShownNumber.aligned(texts)
    }

    /// - Throws: A failure of status 2 for a field that only groups have.
    static func columns(_ text: String) throws -> [TaskField] {
        let fields = try list(text, option: "--columns")
        if fields.contains(.own(.script)) {
            throw CommandFailure.badInput("--columns: 'script' is for --group-by alone; tensorhub show has its files")
        }
        return fields
    }
}
