import ArgumentParser
import BSON
import Console

/// What `tensorhub-bench` can measure.
enum BenchScenario: String, CaseIterable, ExpressibleByArgument {
    case throughput
    case output
    case dispatch
    case create
    case idle
    case crowd
    case blobs
    case logs

    var summary: String {
        switch self {
        case .throughput: "tasks per second with 4 slots; the script is `#!/bin/true`"
        case .output: "the same with `#!/bin/echo`: one document of output for each task"
        case .dispatch: "milliseconds from creating a task to its script's first instruction (needs --floor)"
        case .create: "tasks per second of one call that creates 10,000"
        case .idle: "memory, share of a core and statements per second of a runner that has nothing to do"
        case .crowd: "64 slots, and 16 runners, against one runner with 4 slots; no task lost or run twice"
        case .blobs: "MiB per second of 256 MiB to GridFS and back, against the C program and pymongo"
        case .logs: "log entries: saved in batches, the newest of a million read, and what `report()` costs a script"
        }
    }
}

/// What is asked of a figure.
enum BenchGoal {
    case atLeast(Double)
    case atMost(Double)

    func isMet(_ value: Double) -> Bool {
        switch self {
        case .atLeast(let limit): value >= limit
        case .atMost(let limit): value <= limit
        }
    }

    var text: String {
        switch self {
        case .atLeast(let limit): ">= \(limit.shortened)"
        case .atMost(let limit): "<= \(limit.shortened)"
        }
    }
}

/// Figures of one kind, ours and those of what we compare with, one of each per round.
struct BenchMeasurement {
    var name: String
    var unit: String
    var ours: [Double]
    var reference: [Double] = []
    /// What `reference` is.
    var referenceName = "floor"
    /// About the ratio where there is a reference, else about ours.
    var goal: BenchGoal?
    /// Where the ratio would lie if both were the same; `nil` where that is not known.
    var spread: ClosedRange<Double>?
    /// Tasks that were there besides.
    var otherTasks = 0

    var ratio: Double? {
        guard let ours = ours.median, let reference = reference.median, reference > 0 else { return nil }
        return ours / reference
    }

    /// What the goal is about; nil where the reference was not measured.
    private var judged: Double? { referenceName.isEmpty ? ours.median : ratio }

    private var verdict: String {
        guard let goal, let judged else { return "" }
        if goal.isMet(judged) { return goal.text + " met" }
        // What one build alone would show tells nothing of two.
        return goal.text + (spread?.contains(judged) == true ? " unclear" : " MISSED")
    }

    static func table(_ measurements: [BenchMeasurement]) -> Table {
        let hasOthers = measurements.contains { $0.otherTasks > 0 }
        var table = Table([
            .init("MEASUREMENT"), .init("UNIT"), .init("OURS", isRightAligned: true),
            .init("REFERENCE", isRightAligned: true), .init("RATIO", isRightAligned: true), .init("GOAL"),
        ])
        if hasOthers {
            table.columns.insert(.init("OTHER TASKS", isRightAligned: true), at: 2)
            table.columns.append(.init("CHANGE", isRightAligned: true))
        }
        let hasSpread = measurements.contains { $0.spread != nil }
        if hasSpread { table.columns.insert(.init("SPREAD OF ONE BUILD"), at: table.columns.count - 1) }
        table.rows = measurements.map { measurement in
            let reference = measurement.reference.summary.map { "\($0) \(measurement.referenceName)" } ?? ""
            var row = [
                measurement.name, measurement.unit, measurement.ours.summary ?? "", reference,
                measurement.ratio.map { $0.digits(hasSpread ? 3 : 2) } ?? "", measurement.verdict,
            ]
            if hasSpread {
                let text = measurement.spread.map { "\($0.lowerBound.digits(2))-\($0.upperBound.digits(2))" } ?? ""
                row.insert(text, at: row.count - 1)
            }
            if hasOthers {
                row.insert("\(measurement.otherTasks)", at: 2)
                row.append(measurement.change(from: measurements))
            }
            return row
        }
        return table
    }

    /// Against the same figure without other tasks.
    private func change(from measurements: [BenchMeasurement]) -> String {
        guard otherTasks > 0, let now = ours.median,
            let before = measurements.first(where: { $0.name == name && $0.otherTasks == 0 })?.ours.median, before > 0
        else { return "" }
        return (now / before).digits(2)
    }

    var document: BSONDocument {
        var document: BSONDocument = [
            "measurement": .string(name), "unit": .string(unit), "other_tasks": .init(smallest: otherTasks),
            "ours": ["median": .double(ours.median ?? .nan), "rounds": .array(ours.map(BSONValue.double))],
        ]
        if let median = reference.median {
            document.append(
                "reference",
                [
                    "name": .string(referenceName), "median": .double(median),
                    "rounds": .array(reference.map(BSONValue.double)),
                ]
            )
        }
        if let ratio { document.append("ratio", .double(ratio)) }
        if let spread { document.append("spread", [.double(spread.lowerBound), .double(spread.upperBound)]) }
        if let goal, let judged {
            document.append("goal", .string(goal.text))
            document.append("met", .bool(goal.isMet(judged)))
        }
        return document
    }
}

extension [Double] {
    var median: Double? { percentile(0.5) }

    func percentile(_ fraction: Double) -> Double? {
        if isEmpty { return nil }
        let sorted = sorted()
        let place = fraction * Double(count - 1)
        let low = sorted[Int(place)]
        let high = sorted[Swift.min(Int(place) + 1, count - 1)]
        return low + (high - low) * (place - place.rounded(.down))
    }

    /// The median, and the least and the most where they differ.
    fileprivate var summary: String? {
        guard let median, let least = self.min(), let most = self.max() else { return nil }
        let digits = median < 10 ? 2 : median < 100 ? 1 : 0
        let range = count > 1 ? " (\(least.digits(digits))-\(most.digits(digits)))" : ""
        return median.digits(digits) + range
    }
}

extension Double {
    /// With two digits behind the point at most.
    fileprivate var shortened: String {
        let text = digits(2)
        return text.hasSuffix("0") ? String(text.dropLast()) : text
    }

    /// As many digits behind the point.
    fileprivate func digits(_ count: Int) -> String {
        guard isFinite, abs(self) < 1e12 else { return "\(self)" }
        var scale = 1.0
        for _ in 0..<count { scale *= 10 }
        let scaled = Int64((abs(self) * scale).rounded())
        let sign = self < 0 && scaled > 0 ? "-" : ""
        if count == 0 { return "\(sign)\(scaled)" }
        let fraction = String(scaled % Int64(scale))
        return "\(sign)\(scaled / Int64(scale))." + String(repeating: "0", count: count - fraction.count) + fraction
    }
}
