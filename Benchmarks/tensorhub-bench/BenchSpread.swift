/// How far figures of the same build lie apart in the same run: what a difference between two builds must pass to be
/// one.
enum BenchSpread {
    /// Every way to part the figures into two halves, of which each gives the ratio of the halves' medians: 19 of 20 of
    /// these lie in the range. `nil` for fewer than four figures, and for figures of which some are not positive. Of
    /// more than 16 the first 16 are parted: 12,870 ways are enough.
    ///
    /// Source: the permutation test of two samples, with all permutations (Fisher, The Design of Experiments, 1935).
    static func range(_ figures: [Double]) -> ClosedRange<Double>? {
        guard figures.count >= 4, figures.allSatisfy({ $0 > 0 && $0.isFinite }) else { return nil }
        let figures = Array(figures.prefix(16))
        let half = figures.count / 2
        var ratios: [Double] = []
        for mask in 0..<(1 << figures.count) where mask.nonzeroBitCount == half {
            let parts = figures.indices.reduce(into: ([Double](), [Double]())) { parts, index in
                if mask >> index & 1 == 1 { parts.0.append(figures[index]) } else { parts.1.append(figures[index]) }
            }
            guard let first = parts.0.median, let second = parts.1.median else { continue }
            ratios.append(first / second)
        }
        guard let low = ratios.percentile(0.025), let high = ratios.percentile(0.975) else { return nil }
        return low...high
    }

    /// The wider of both builds' spreads at each end.
    static func range(_ one: [Double], _ other: [Double]) -> ClosedRange<Double>? {
        guard let one = range(one), let other = range(other) else { return nil }
        return min(one.lowerBound, other.lowerBound)...max(one.upperBound, other.upperBound)
    }
}
