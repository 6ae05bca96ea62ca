import Testing

@testable import TaskRunner

@Suite struct RenewalWatchTests {
    private let start = ContinuousClock.now
    private func at(_ seconds: Double) -> ContinuousClock.Instant { start.advanced(by: .seconds(seconds)) }

    @Test func `A warning is due half a lease after the last renewal that came through was sent`() {
        var watch = RenewalWatch(lease: .seconds(20), now: start)
        #expect(watch.warningDue == at(10))
        #expect(watch.renewed(sentAt: at(5)) == nil)
        #expect(watch.warningDue == at(15))
        #expect(watch.lateness(at: at(16)).since == .seconds(11))
        #expect(watch.lateness(at: at(16)).left == .seconds(9))
        #expect(watch.lateness(at: at(60)).left == .zero)
    }

    @Test func `It is told once, and once when a renewal comes through again`() {
        var watch = RenewalWatch(lease: .seconds(20), now: start)
        watch.hasTold()
        #expect(watch.warningDue == nil)
        #expect(watch.renewed(sentAt: at(14)) == .seconds(14))
        #expect(watch.warningDue == at(24))
        #expect(watch.renewed(sentAt: at(19)) == nil)
    }

    @Test func `While there is nothing to renew nothing is late`() {
        var watch = RenewalWatch(lease: .seconds(20), now: start)
        watch.hasTold()
        watch.nothingToRenew(at: at(100))
        #expect(watch.warningDue == at(110))
        #expect(watch.renewed(sentAt: at(105)) == nil)
    }
}
