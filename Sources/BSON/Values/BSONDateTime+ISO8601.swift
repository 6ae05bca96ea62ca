extension BSONDateTime {
    /// 1970-01-01T00:00:00Z until 9999-12-31T23:59:59.999Z: the times that relaxed Extended JSON writes as text.
    static let textRange: ClosedRange<Int64> = 0...253_402_300_799_999

    /// Reads `2012-12-24T12:15:30.501Z`: date and time of day, a fraction of up to nine digits of which three count,
    /// and `Z` or an offset such as `+01:00`. `nil` for other text and for days that do not exist.
    public init?(iso8601 text: String) {
        var rest = Substring(text).utf8
        func digits(_ count: Int) -> Int? {
            guard rest.count >= count else { return nil }
            var number = 0
            for character in rest.prefix(count) {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(character) else { return nil }
                number = number * 10 + Int(character - UInt8(ascii: "0"))
            }
            rest.removeFirst(count)
            return number
        }
        func skip(_ character: Unicode.Scalar) -> Bool {
            guard rest.first == UInt8(ascii: character) else { return false }
            rest.removeFirst()
            return true
        }

        guard let year = digits(4), skip("-"), let month = digits(2), skip("-"), let day = digits(2),
            skip("T") || skip("t"), let hour = digits(2), skip(":"), let minute = digits(2), skip(":"),
            let second = digits(2), (1...12).contains(month), day >= 1,
            day <= CivilDate.days(inMonth: month, ofYear: year), hour < 24, minute < 60, second < 60
        else { return nil }

        var milliseconds = 0
        if skip(".") {
            var count = 0
            while let digit = digits(1) {
                if count < 3 { milliseconds = milliseconds * 10 + digit }
                count += 1
            }
            guard (1...9).contains(count) else { return nil }
            for _ in count..<max(count, 3) { milliseconds *= 10 }
        }

        var offset = 0
        if !skip("Z"), !skip("z") {
            let isEast = skip("+")
            guard isEast || skip("-"), let hours = digits(2) else { return nil }
            let hasColon = skip(":")
            guard let minutes = digits(2) ?? (hasColon ? nil : 0), hours < 24, minutes < 60 else { return nil }
            offset = (hours * 60 + minutes) * (isEast ? 1 : -1)
        }
        guard rest.isEmpty else { return nil }

        let days = CivilDate(year: year, month: month, day: day).daysSince1970
        let seconds = ((days * 24 + hour) * 60 + minute - offset) * 60 + second
        self.init(millisecondsSince1970: Int64(seconds * 1000 + milliseconds))
    }

    /// `2012-12-24T12:15:30.501Z`; milliseconds only where there are some, a sign for years of more than four digits.
    public var iso8601: String {
        let (days, time) = Int(millisecondsSince1970).floorDivided(by: 86_400_000)
        let date = CivilDate(daysSince1970: days)
        func padded(_ number: Int, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let isPlain = (0...9999).contains(date.year)
        let year = isPlain ? padded(date.year, 4) : (date.year < 0 ? "-" : "+") + padded(abs(date.year), 6)
        let clock = "\(padded(time / 3_600_000, 2)):\(padded(time / 60_000 % 60, 2)):\(padded(time / 1000 % 60, 2))"
        let fraction = time % 1000 == 0 ? "" : "." + padded(time % 1000, 3)
        return "\(year)-\(padded(date.month, 2))-\(padded(date.day, 2))T\(clock)\(fraction)Z"
    }
}

extension BSONDateTime: CustomStringConvertible {
    /// ISO-8601 in UTC.
    public var description: String { iso8601 }
}

/// A day of the Gregorian calendar, extended to all years.
struct CivilDate {
    var year: Int
    var month: Int
    var day: Int

    init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// A cycle of 400 years has 146,097 days; years begin in March here, so that the leap day comes last.
    init(daysSince1970: Int) {
        let shifted = daysSince1970 + 719_468
        let (cycle, dayOfCycle) = shifted.floorDivided(by: 146_097)
        let yearOfCycle = (dayOfCycle - dayOfCycle / 1460 + dayOfCycle / 36_524 - dayOfCycle / 146_096) / 365
        let dayOfYear = dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        year = yearOfCycle + cycle * 400 + (month <= 2 ? 1 : 0)
    }

    var daysSince1970: Int {
        let marchYear = month <= 2 ? year - 1 : year
        let (cycle, yearOfCycle) = marchYear.floorDivided(by: 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfCycle = yearOfCycle * 365 + yearOfCycle / 4 - yearOfCycle / 100 + dayOfYear
        return cycle * 146_097 + dayOfCycle - 719_468
    }

    static func days(inMonth month: Int, ofYear year: Int) -> Int {
        switch month {
        case 4, 6, 9, 11: 30
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        default: 31
        }
    }
}

extension Int {
    /// Rounds towards minus infinity, so that the remainder is never negative.
    fileprivate func floorDivided(by divisor: Int) -> (quotient: Int, remainder: Int) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}
