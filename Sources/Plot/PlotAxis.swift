import Glibc

/// The scale along one side of a plot: what it spans, and where it is labelled.
struct PlotAxis: Sendable {
    struct Tick: Sendable, Hashable {
        var value: Double
        var label: String
    }

    let low: Double
    let high: Double
    let isLogarithmic: Bool
    private(set) var ticks: [Tick]

    /// Where a value lies, from 0 to 1.
    func place(_ value: Double) -> Double {
        let place =
            isLogarithmic
            ? (log10(value) - log10(low)) / (log10(high) - log10(low)) : (value - low) / (high - low)
        return place.isNaN ? 0 : min(max(place, 0), 1)
    }

    /// Begins and ends at ticks.
    init(_ range: ClosedRange<Double>, ticks count: Int) {
        let range = Self.widened(range)
        let step = Self.step((range.upperBound - range.lowerBound) / Double(max(1, count)))
        let first = (range.lowerBound / step + 1e-9).rounded(.down)
        let last = (range.upperBound / step - 1e-9).rounded(.up)
        low = first * step
        high = last * step
        isLogarithmic = false
        ticks = Self.ticks(from: first, to: last, step)
    }

    /// Begins and ends with the values.
    init(exact range: ClosedRange<Double>, ticks count: Int) {
        let range = Self.widened(range)
        (low, high, isLogarithmic) = (range.lowerBound, range.upperBound, false)
        let step = Self.step((high - low) / Double(max(1, count)))
        ticks = Self.ticks(from: (low / step - 1e-9).rounded(.up), to: (high / step + 1e-9).rounded(.down), step)
    }

    /// Seconds.
    init(time range: ClosedRange<Double>, ticks count: Int) {
        let range = Self.widened(range)
        (low, high, isLogarithmic) = (range.lowerBound, range.upperBound, false)
        let rough = (high - low) / Double(max(1, count))
        if rough < 1 {
            let step = Self.step(rough)
            ticks = Self.ticks(from: (low / step).rounded(.up), to: (high / step).rounded(.down), step).map {
                Tick(value: $0.value, label: $0.label + "s")
            }
            return
        }
        let steps: [Double] = [
            1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
        ]
        let step = steps.first { $0 >= rough } ?? Self.step(rough / 86400) * 86400
        ticks = Self.ticks(from: (low / step).rounded(.up), to: (high / step).rounded(.down), step).map {
            Tick(value: $0.value, label: Self.length(Int64($0.value)))
        }
    }

    /// Powers of ten; where they are few, 2 and 5 times them too.
    init(logarithmic range: ClosedRange<Double>, ticks count: Int) {
        isLogarithmic = true
        let least = Int(log10(range.lowerBound).rounded(.down))
        let most = Int(log10(range.upperBound).rounded(.up))
        var candidates: [Tick] = []
        let isFine = 3 * (most - least) <= 2 * count
        let every = isFine ? 1 : max(1, (most - least + count - 1) / max(1, count))
        let first = Int((Double(least) / Double(every)).rounded(.down)) * every
        for exponent in stride(from: first, through: max(most, least + 1), by: every) {
            for factor in isFine ? [1, 2, 5] : [1] {
                let value = Double(factor) * pow(10, Double(exponent))
                let label =
                    (-4..<6).contains(exponent)
                    ? Self.fixed(value, decimals: max(0, -exponent)) : "\(factor)e\(exponent)"
                candidates.append(Tick(value: value, label: label))
            }
        }
        let bottom = candidates.lastIndex { $0.value <= range.lowerBound * (1 + 1e-9) } ?? 0
        let top = candidates.firstIndex { $0.value >= range.upperBound * (1 - 1e-9) } ?? candidates.count - 1
        ticks = Array(candidates[min(bottom, top)...max(bottom, top)])
        if ticks.count < 2 { ticks = Array(candidates.prefix(2)) }
        low = min(ticks[0].value, range.lowerBound)
        high = max(ticks[ticks.count - 1].value, range.upperBound)
    }

    /// What is smaller counts as zero: the steps of such an axis would be no numbers any more.
    static let least = 1e-290

    // MARK: Steps and labels

    /// A range that has a length, and whose length is a number.
    private static func widened(_ range: ClosedRange<Double>) -> ClosedRange<Double> {
        let low = max(range.lowerBound, -8e307)
        let high = min(range.upperBound, 8e307)
        let size = max(abs(low), abs(high))
        if high - low > size * 1e-12, size > least { return low...high }
        let half = size > least ? size * 0.1 : 1
        return low - half...high + half
    }

    /// The next larger of 1, 2 and 5 times a power of ten.
    private static func step(_ rough: Double) -> Double {
        let exponent = log10(max(rough, 1e-300)).rounded(.down)
        for factor in [1.0, 2, 5] where factor * power(exponent) >= rough * (1 - 1e-9) {
            return factor * power(exponent)
        }
        return power(exponent + 1)
    }

    /// Exact for negative exponents too, where `pow` is not.
    private static func power(_ exponent: Double) -> Double {
        exponent < 0 ? 1 / pow(10, -exponent) : pow(10, exponent)
    }

    private static func ticks(from first: Double, to last: Double, _ step: Double) -> [Tick] {
        guard last >= first, last - first < 100 else { return [] }
        let largest = max(abs(first), abs(last)) * step
        let exponent = Int((log10(step) + 1e-9).rounded(.down))
        return (0...Int(last - first)).map { index in
            // The division keeps 0.3 from becoming 0.30000000000000004.
            let value = step < 1 ? (first + Double(index)) / (1 / step) : (first + Double(index)) * step
            let label =
                largest >= 1e6 || exponent < -5
                ? scientific(value, stepExponent: exponent) : fixed(value, decimals: max(0, -exponent))
            return Tick(value: value, label: label)
        }
    }

    static func fixed(_ value: Double, decimals: Int) -> String {
        let scale = pow(10, Double(decimals))
        let scaled = (abs(value) * scale).rounded()
        guard scaled < 9e18 else { return "\(value)" }
        let digits = String(Int64(scaled))
        let sign = value < 0 && scaled > 0 ? "-" : ""
        if decimals == 0 { return sign + digits }
        let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
        return "\(sign)\(padded.dropLast(decimals)).\(padded.suffix(decimals))"
    }

    private static func scientific(_ value: Double, stepExponent: Int) -> String {
        if value == 0 { return "0" }
        let exponent = Int((log10(abs(value)) + 1e-9).rounded(.down))
        let mantissa =
            exponent < -300 ? value * 1e300 / pow(10, Double(exponent + 300)) : value / pow(10, Double(exponent))
        return "\(fixed(mantissa, decimals: max(0, exponent - stepExponent)))e\(exponent)"
    }

    /// `45s`, `1m30s`, `2h`, `1d06h`.
    private static func length(_ seconds: Int64) -> String {
        let parts = [(seconds / 86400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")]
        guard let first = parts.firstIndex(where: { $0.0 != 0 }) else { return "0s" }
        let last = parts.lastIndex { $0.0 != 0 } ?? first
        return parts[first...last].map { "\($0.0)\($0.1)" }.joined()
    }
}
