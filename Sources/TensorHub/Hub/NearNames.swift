import BSON

/// Which of the names that there are somebody may have meant by one that there is not.
package enum NearNames {
    /// How many are suggested.
    static let most = 3

    /// The nearest first: those that differ by few letters, then those that contain it or begin alike.
    package static func of(_ wanted: String, among names: [String]) -> [String] {
        let target = Array(wanted.lowercased().unicodeScalars)
        let allowed = max(1, min(3, target.count / 3))
        var ranked: [(distance: Int, name: String)] = []
        for name in names where name.bytes != wanted.bytes {
            let candidate = Array(name.lowercased().unicodeScalars)
            if let distance = distance(target, candidate, atMost: allowed) {
                ranked.append((distance, name))
            } else if isPart(target, of: candidate) || isPart(candidate, of: target) {
                ranked.append((allowed + abs(candidate.count - target.count), name))
            }
        }
        ranked.sort { ($0.distance, $0.name.bytes) < ($1.distance, $1.name.bytes) }
        return ranked.prefix(most).map(\.name)
    }

    /// Whether one of at least three letters lies within the other.
    private static func isPart(_ part: [Unicode.Scalar], of whole: [Unicode.Scalar]) -> Bool {
        guard part.count >= 3, part.count <= whole.count else { return false }
        return (0...(whole.count - part.count)).contains { whole[$0..<($0 + part.count)].elementsEqual(part) }
    }

    /// Levenshtein's, with two neighbours that changed places as one step; `nil` where it is larger than that.
    static func distance(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar], atMost limit: Int) -> Int? {
        if abs(a.count - b.count) > limit { return nil }
        var before: [Int] = []
        var last = Array(0...b.count)
        for i in 0..<a.count {
            var row = [i + 1] + [Int](repeating: 0, count: b.count)
            for j in 0..<b.count {
                row[j + 1] = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { row[j + 1] = min(row[j + 1], before[j - 1] + 1) }
            }
            if row.min() ?? 0 > limit { return nil }
            before = last
            last = row
        }
        return last[b.count] <= limit ? last[b.count] : nil
    }
}
