import BSON
import Logging
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

/// How long a runner goes on with what fails, and what it says of that.
@Suite struct PersistenceTests {
    private let clock = HurriedClock()
    private let away = HubError(.unreachable, "nobody answers")
    private let forbidden = HubError(.forbidden, "no right to insert")

    /// Asks for what fails as often as told; returns the number of the try that was accepted.
    private func ask(
        _ persistence: Persistence,
        _ backoff: Backoff = .steady,
        failing count: Int,
        _ error: HubError,
        _ failed: (HubError, Int) throws -> Void = { _, _ in },
        isOver: () -> Bool = { false }
    ) async throws -> Int? {
        var number = 0
        return try await persistence.untilAccepted(backoff, isOver: isOver) { () async throws(HubError) in
            number += 1
            if number <= count { throw error }
            return number
        } failed: { error, failures in
            try failed(error, failures)
        }
    }

    private func deliver(
        _ persistence: Persistence,
        _ block: DeliveryBlock,
        failing count: Int,
        _ error: HubError
    ) async {
        var number = 0
        // Not on after the second failure.
        let isOver = { number == 2 }
        _ = await persistence.untilAccepted(block, isOver: isOver) { () async throws(HubError) in
            number += 1
            if number <= count { throw error }
        }
    }

    @Test func `What is accepted at once waits for nothing`() async throws {
        let persistence = Persistence(clock: clock) { true }
        #expect(try await ask(persistence, failing: 0, away) == 1)
        #expect(clock.pauses.isEmpty)
    }

    @Test func `It is tried again until it is accepted, with the same pause each time`() async throws {
        var told: [Int] = []
        let persistence = Persistence(clock: clock)
        #expect(try await ask(persistence, failing: 3, forbidden, { told.append($1) }) == 4)
        #expect(clock.pauses == Array(repeating: .milliseconds(500), count: 3))
        #expect(told == [1, 2, 3])
    }

    @Test func `A pause that grows is doubled up to its limit`() async throws {
        let persistence = Persistence(clock: clock)
        _ = try await ask(persistence, .growing, failing: 7, forbidden)
        #expect(clock.pauses == [500, 1000, 2000, 4000, 8000, 10_000, 10_000].map { .milliseconds($0) })
    }

    @Test func `An outage is looked at as often as at first, however long something else was in the way`() async throws
    {
        let persistence = Persistence(clock: clock)
        _ = await persistence.untilAccepted(.growing) { () async throws(HubError) in
            if clock.pauses.count < 3 { throw forbidden }
            if clock.pauses.count < 5 { throw away }
        } failed: { _, _ in
        }
        #expect(clock.pauses == [500, 1000, 2000, 500, 500].map { .milliseconds($0) })
    }

    @Test func `A pause is spread by no more than was asked for`() {
        var backoff = Backoff(.seconds(1), upTo: .seconds(4), spread: 0.2)
        let pauses = (0..<4).map { _ in backoff.next() / .seconds(1) }
        #expect(zip(pauses, [1, 2, 4, 4]).allSatisfy { (0.8 * $1...1.2 * $1).contains($0) })
    }

    @Test func `A refusal ends it, and is not waited for`() async throws {
        let persistence = Persistence(clock: clock)
        await #expect(throws: HubError.self) {
            _ = try await ask(persistence, failing: 9, forbidden, { if $1 == 2 { throw $0 } })
        }
        #expect(clock.pauses.count == 1)
    }

    @Test func `It is given up after a failure, and never before the first try`() async throws {
        var told = 0
        let persistence = Persistence(clock: clock) { true }
        #expect(try await ask(persistence, failing: 1, away, { _, _ in told += 1 }) == nil)
        #expect(told == 1 && clock.pauses.isEmpty)
    }

    @Test func `What nobody wants any more is not tried`() async throws {
        let persistence = Persistence(clock: clock)
        let isOver = { clock.pauses.count == 2 }
        #expect(try await ask(persistence, failing: 9, away, isOver: isOver) == nil)
        #expect(try await ask(persistence, failing: 0, away, isOver: isOver) == nil)
        #expect(clock.pauses.count == 2)
    }

    @Test func `A task that is cancelled ends after the failure at hand`() async throws {
        let persistence = Persistence(clock: clock)
        let count = await Task { [away] in
            var count = 0
            _ = await persistence.untilAccepted { () async throws(HubError) in
                count += 1
                if count == 2 { withUnsafeCurrentTask { $0?.cancel() } }
                throw away
            } failed: { _, _ in
            }
            return count
        }.value
        #expect(count == 2)
        #expect(clock.pauses.count == 1)
    }

    @Test func `A pause for what must be waited for goes on in a cancelled task, until all is given up`() async throws {
        await Task { [clock] in
            withUnsafeCurrentTask { $0?.cancel() }
            await Persistence(clock: clock).pauseUncancelled(.milliseconds(1200))
        }.value
        #expect(clock.pauses == [500, 500, 200].map { .milliseconds($0) })
        await Persistence(clock: clock) { true }.pauseUncancelled(.milliseconds(1200))
        #expect(clock.pauses.count == 4)
    }

    @Test func `An outage is told once for all, anything else once for each statement, and the end of both`()
        async throws
    {
        let lines = LogLines()
        let logger = Logger(label: "test") { _ in lines }
        let availability = Availability(logger)
        let blocks = ["one", "two"].map { DeliveryBlock(logger, .attempt(.init()), in: availability, saying: "\($0)") }
        let persistence = Persistence(clock: clock)
        func refusals() -> Int { availability.refusals.current(now: .init(millisecondsSince1970: 0)).count }
        for block in blocks { await deliver(persistence, block, failing: 9, away) }
        #expect(refusals() == 0)
        for block in blocks { await deliver(persistence, block, failing: 9, forbidden) }
        #expect(refusals() == 2)
        for block in blocks { await deliver(persistence, block, failing: 1, forbidden) }
        #expect(refusals() == 0)
        #expect(blocks.allSatisfy { $0.text == nil })
        let texts = lines.texts
        #expect(texts.count { $0.contains("MongoDB does not answer") } == 1, "\(texts)")
        #expect(texts.count { $0.contains("MongoDB is back") } == 1)
        #expect(texts.count { $0.hasPrefix("one") } == 1 && texts.count { $0.hasPrefix("two") } == 1)
    }
}
