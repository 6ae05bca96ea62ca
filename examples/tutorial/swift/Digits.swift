import Glibc
import TutorialArrays

/// Handwritten digits: images of 8x8 pixels from 0 to 1, and the digit of each.
struct Digits {
    struct Part {
        var images: NumPyArray
        var digits: NumPyArray
    }

    /// Three fifths to train, a fifth each to validate and to test.
    let parts: [Part]

    init(file: String) throws {
        var rows = try Self.rows(of: file)
        guard rows.count > 10 else { throw TutorialError("there are no digits in \(file)") }
        var random = SplitMix64(state: 1)
        rows.shuffle(using: &random)
        let fifth = rows.count / 5
        parts = [rows[(2 * fifth)...], rows[..<fifth], rows[fifth..<(2 * fifth)]].map { rows in
            Part(
                images: NumPyArray(
                    shape: [rows.count, 64],
                    values: .floats(rows.flatMap { $0.prefix(64).map { $0 / 16 } })
                ),
                digits: NumPyArray(shape: [rows.count], values: .integers(rows.map { Int64($0[64]) }))
            )
        }
    }

    private static func rows(of file: String) throws -> [[Float]] {
        guard let pipe = popen("exec gzip -dc -- '\(file)'", "r") else { throw TutorialError("gzip cannot be started") }
        var rows: [[Float]] = []
        while let line = readLine(from: pipe) {
            let row = line.split(separator: ",").compactMap { Float($0) }
            if row.count == 65 { rows.append(row) }
        }
        guard pclose(pipe) == 0 else { throw TutorialError("\(file) cannot be unpacked") }
        return rows
    }

    private static func readLine(from pipe: UnsafeMutablePointer<FILE>) -> String? {
        var buffer: UnsafeMutablePointer<CChar>?
        var size = 0
        defer { free(buffer) }
        let count = getline(&buffer, &size, pipe)
        guard count > 0, let buffer else { return nil }
        return String(cString: buffer).trimmingLineEnd
    }
}

extension String {
    var trimmingLineEnd: String { hasSuffix("\n") ? String(dropLast()) : self }
}
