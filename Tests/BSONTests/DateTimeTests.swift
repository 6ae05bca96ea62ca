import BSON
import Foundation
import Testing

@Suite struct DateTimeTests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("2000-02-29T23:59:59.999Z", 951_868_799_999),
        ("2012-12-24T12:15:30.501Z", 1_356_351_330_501), ("2012-12-24T13:15:30.5019+01:00", 1_356_351_330_501),
        ("2012-12-24T07:15:30.501-0500", 1_356_351_330_501), ("2012-12-24t13:15:30.5+01", 1_356_351_330_500),
        ("1969-12-31T23:59:59.999Z", -1), ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ])
    func `Text reads as milliseconds`(text: String, milliseconds: Int64) {
        #expect(BSONDateTime(iso8601: text)?.millisecondsSince1970 == milliseconds)
    }

    @Test(arguments: [
        "", "2012-12-24", "2012-12-24T12:15Z", "2012-12-24T12:15:30", "2012-13-01T00:00:00Z", "2013-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z", "2012-04-31T00:00:00Z", "2012-01-00T00:00:00Z", "2012-01-01T24:00:00Z",
        "2012-01-01T00:60:00Z", "2012-01-01T00:00:60Z", "2012-01-01T00:00:00.Z", "2012-01-01T00:00:00.1234567890Z",
        "2012-01-01T00:00:00+1", "2012-01-01T00:00:00+24:00", "2012-01-01T00:00:00Zx", "+2012-01-01T00:00:00Z",
        "2012-01-01T00:00:00+01:",
    ])
    func `Other text is refused`(text: String) {
        #expect(BSONDateTime(iso8601: text) == nil)
    }

    @Test func `Every day of many centuries survives`() {
        for day in stride(from: -719_162, through: 2_932_896, by: 61) {
            let time = BSONDateTime(millisecondsSince1970: Int64(day) * 86_400_000 + 3_723_004)
            #expect(BSONDateTime(iso8601: time.iso8601) == time)
        }
    }

    @Test func `The text agrees with Foundation`() throws {
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        for milliseconds in stride(from: Int64(1), to: 253_402_300_799_999, by: 7_234_567_890_123) {
            let time = BSONDateTime(millisecondsSince1970: milliseconds)
            #expect(BSONDateTime(try style.parse(time.iso8601)) == time)
            #expect(BSONDateTime(Date(time)) == time)
        }
    }

    @Test func `Far times are clamped`() {
        #expect(BSONDateTime(Date(timeIntervalSince1970: 1e30)).millisecondsSince1970 == .max)
        #expect(BSONDateTime(Date(timeIntervalSince1970: -1e30)).millisecondsSince1970 == .min)
    }
}
