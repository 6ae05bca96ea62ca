package import BSON
import Glibc

extension BSONDateTime {
    /// As it is shown where a person reads: on a terminal by the clock of the person's zone, elsewhere ISO-8601 in UTC,
    /// since a program may read that.
    package var shownText: String { StandardOutput.isTerminal ? localText : iso8601 }

    /// `2026-12-01 18:00:05 CET`, in the zone of this process (TZ, else the machine's).
    package var localText: String { localText("%Y-%m-%d %H:%M:%S %Z") }

    /// `2026-12-01 18:00 CET`: without seconds where there are none.
    package var shortLocalText: String {
        millisecondsSince1970 % 60_000 == 0 ? localText("%Y-%m-%d %H:%M %Z") : localText
    }

    private func localText(_ form: String) -> String {
        var seconds = time_t(millisecondsSince1970 / 1000 - (millisecondsSince1970 % 1000 < 0 ? 1 : 0))
        var parts = tm()
        tzset()
        guard localtime_r(&seconds, &parts) != nil, (0...9999 - 1900).contains(parts.tm_year) else { return iso8601 }
        var buffer = [CChar](repeating: 0, count: 64)
        let count = strftime(&buffer, buffer.count, form, &parts)
        return count > 0 ? String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) : iso8601
    }
}

/// A time of day as people write it, `18:00` or `18:00:30`, by the clock of this process's zone.
package struct TimeOfDay: Sendable {
    private let seconds: (hour: CInt, minute: CInt, second: CInt)

    /// `nil` for other text and for times that no day has.
    package init?(_ text: String) {
        let parts = text.bytes.split(separator: ":", omittingEmptySubsequences: false).map(\.text)
        let numbers = parts.compactMap { part in
            (1...2).contains(part.utf8.count) && part.utf8.allSatisfy { (0x30...0x39).contains($0) } ? CInt(part) : nil
        }
        guard numbers.count == parts.count, (2...3).contains(parts.count),
            parts.dropFirst().allSatisfy({ $0.utf8.count == 2 }),
            numbers[0] < 24, numbers[1] < 60, numbers.count < 3 || numbers[2] < 60
        else { return nil }
        seconds = (numbers[0], numbers[1], numbers.count == 3 ? numbers[2] : 0)
    }

    /// The next such time behind that one: today or tomorrow. On a day whose clocks go forward over it, as much later.
    package func next(after time: BSONDateTime) -> BSONDateTime? {
        var now = time_t(time.millisecondsSince1970 / 1000)
        var today = tm()
        tzset()
        guard localtime_r(&now, &today) != nil else { return nil }
        for day in 0...1 {
            var parts = tm()
            (parts.tm_year, parts.tm_mon, parts.tm_mday) = (today.tm_year, today.tm_mon, today.tm_mday + CInt(day))
            (parts.tm_hour, parts.tm_min, parts.tm_sec) = seconds
            parts.tm_isdst = -1
            let found = mktime(&parts)
            if found != -1, found > now { return BSONDateTime(millisecondsSince1970: Int64(found) * 1000) }
        }
        return nil
    }
}
