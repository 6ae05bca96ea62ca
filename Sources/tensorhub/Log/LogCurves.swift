import BSON
import Console
import Plot
import TensorHub

/// Gathers values of log entries, which come oldest first, into the lines of a plot.
struct LogCurves {
    private struct Sample {
        var attempt: Int
        var x: Double?
        /// Milliseconds since 1970.
        var time: Int64
        var y: Double
    }

    /// One value of one task.
    private struct Key: Hashable {
        var field: Int
        var task: ObjectID?
    }

    /// More lines than this cannot be told apart.
    private static let mostTasks = 12

    private let fields: [String]
    /// What was asked for; `nil` is `step` where there is one.
    private let x: String?
    private var samples: [Key: [Sample]] = [:]
    private var tasks: [ObjectID?] = []
    private var seen: Set<ObjectID?> = []

    init(fields: [String], x: String?) {
        self.fields = fields
        self.x = x
    }

    var isEmpty: Bool { samples.isEmpty }

    /// The fields that an entry must bring.
    var wanted: [String] {
        let horizontal = x == "time" || x == "order" ? [] : [x ?? "step"]
        // MongoDB refuses a field and a part of it in one projection.
        let all = fields + horizontal
        let known = Set(all.map(\.bytes))
        return all.filter { field in
            let parts = field.bytes.split(separator: ".", omittingEmptySubsequences: false)
            return !parts.indices.dropFirst().contains { end in
                known.contains(parts[..<end].map(\.text).joined(separator: ".").bytes)
            }
        }
    }

    /// - Throws: A failure of status 2 for a value that is no number.
    mutating func add(_ entry: LogEntry) throws(CommandFailure) {
        let task = entry.origin?.task
        var place: Double?
        if x != "time" && x != "order", let value = entry.document.value(atPath: x ?? "step") {
            // Without being asked for, a step that is no number is somebody's own business.
            place = x == nil ? value.doubleValue : try number(value, x ?? "step", entry)
        }
        for (index, field) in fields.enumerated() {
            guard let value = entry.document.value(atPath: field) else { continue }
            if seen.insert(task).inserted { tasks.append(task) }
            samples[Key(field: index, task: task), default: []].append(
                Sample(
                    attempt: entry.origin?.number ?? 0,
                    x: place,
                    time: entry.time?.millisecondsSince1970 ?? 0,
                    y: try number(value, field, entry)
                )
            )
        }
    }

    private func number(_ value: BSONValue, _ field: String, _ entry: LogEntry) throws(CommandFailure) -> Double {
        if value == .null { return .nan }
        if case .decimal128(let decimal) = value, let number = Double(decimal.description) { return number }
        if let number = value.doubleValue { return number }
        let text = TerminalText.truncated(TerminalText.oneLine(value.extendedJSON()), to: 60)
        throw .badInput(
            "log value '\(field)' of entry \(entry.id.map { "\($0)" } ?? "?") is \(text), no number; choose another value, or "
                + "leave such entries out with --filter '{\"\(field)\": {\"$type\": \"number\"}}'"
        )
    }

    /// - Throws: A failure of status 3 where no entry has what is to be drawn along.
    func plot(_ hub: Hub, isLogarithmic: Bool) async throws -> Plot {
        let shown = Array(tasks.suffix(Self.mostTasks))
        if shown.count < tasks.count {
            StandardError.line(
                "only the \(shown.count) tasks that began last are drawn, of \(tasks.count); choose with --task or --name"
            )
        }
        let names = try await LogTasks.labels(shown.compactMap(\.self), hub)
        let usesSteps = x == nil && samples.values.allSatisfy { $0.allSatisfy { $0.x != nil } }
        var series: [Plot.Series] = []
        var leftOut = fields.map { LeftOut(field: $0, x: x ?? "step", isLogarithmic: isLogarithmic) }
        for task in shown {
            for (index, field) in fields.enumerated() {
                guard let samples = samples[Key(field: index, task: task)] else {
                    leftOut[index].tasksWithout += 1
                    continue
                }
                let points = points(samples, usesSteps: usesSteps)
                leftOut[index].count(of: samples.count, placeless: placeless(samples), points)
                let label = task.map { names[$0] ?? "\($0)" } ?? (tasks.count > 1 ? "no task" : "")
                let parts = [
                    fields.count > 1 || label.isEmpty ? field : "", shown.count > 1 || fields.count == 1 ? label : "",
                ]
                series.append(
                    Plot.Series(
                        name: TerminalText.oneLine(parts.filter { !$0.isEmpty }.joined(separator: " ")),
                        points: points
                    )
                )
            }
        }
        for fact in leftOut { fact.tell(ofTasks: shown.count) }
        if let x, !series.contains(where: { !$0.points.isEmpty }) {
            throw CommandFailure.nothingMatched("no entry with \(fields[0]) has '\(x)' to draw along")
        }
        let name = x ?? (usesSteps ? "step" : "order")
        return Plot(
            series: series,
            horizontalName: fields.count == 1 ? "\(fields[0]) by \(name)" : name,
            horizontalScale: x == "time" ? .time : .numbers,
            isLogarithmic: isLogarithmic
        )
    }

    /// How many have nothing to be drawn along.
    private func placeless(_ samples: [Sample]) -> Int {
        x == nil || x == "time" || x == "order" ? 0 : samples.count { $0.x == nil }
    }

    private func points(_ samples: [Sample], usesSteps: Bool) -> [Plot.Point] {
        switch x {
        case "time":
            let samples = Self.latestAttempt(samples)
            let first = samples.first?.time ?? 0
            return samples.map { Plot.Point(x: Double($0.time - first) / 1000, y: $0.y) }
        case nil where !usesSteps, "order":
            return Self.latestAttempt(samples).enumerated().map { Plot.Point(x: Double($0.offset), y: $0.element.y) }
        default:
            return Self.laterAttemptsFirst(samples).sorted { ($0.x ?? 0, $0.time) < ($1.x ?? 0, $1.time) }.compactMap {
                sample in sample.x.map { Plot.Point(x: $0, y: sample.y) }
            }
        }
    }

    /// Without a step nobody can tell what a later attempt repeated.
    private static func latestAttempt(_ samples: [Sample]) -> [Sample] {
        let latest = samples.lazy.map(\.attempt).max()
        return samples.filter { $0.attempt == latest }
    }

    /// What a later attempt repeated is left out of the earlier ones.
    private static func laterAttemptsFirst(_ samples: [Sample]) -> [Sample] {
        let attempts = Set(samples.map(\.attempt)).sorted()
        if attempts.count < 2 { return samples }
        let first = Dictionary(
            samples.compactMap { sample in sample.x.map { (sample.attempt, $0) } },
            uniquingKeysWith: min
        )
        var begins: [Int: Double] = [:]
        var least = Double.infinity
        for attempt in attempts.reversed() {
            begins[attempt] = least
            least = min(least, first[attempt] ?? .infinity)
        }
        return samples.filter { ($0.x ?? 0) < begins[$0.attempt] ?? .infinity }
    }
}
