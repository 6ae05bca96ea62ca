import BSON
import MongoDriver
import Testing

/// When a call is gone on with.
@Suite struct TroubleTests {
    private let start = ContinuousClock.now

    private func judge(
        _ error: MongoError,
        _ facts: Trouble.Facts = .init(repetition: .always),
        after seconds: Int = 0,
        in trouble: inout Trouble
    ) -> Trouble.Verdict {
        trouble.judge(error, facts, at: start + .seconds(seconds))
    }

    private func goesOn(_ error: MongoError, _ facts: Trouble.Facts = .init(repetition: .always)) -> Bool {
        var trouble = Trouble(limit: .seconds(30))
        return judge(error, facts, in: &trouble) != .giveUp
    }

    @Test func `What an election brings passes, and what is wrong for good does not`() {
        for code in [MongoError.Code.unreachable, .network] { #expect(goesOn(MongoError(code, ""))) }
        for code in [10107, 13435, 13436, 11600, 11602, 91, 189, 10058] {
            #expect(goesOn(MongoError(.server, "", serverCode: code)), "\(code)")
        }
        for code in [2, 13, 18, 26, 50, 11601, 40573] {
            #expect(!goesOn(MongoError(.server, "", serverCode: code)), "\(code)")
        }
        for code in [MongoError.Code.duplicateKey, .invalidInput, .authentication, .closed, .cancelled, .corruptFile] {
            #expect(!goesOn(MongoError(code, "")))
        }
        #expect(goesOn(MongoError(.writeConcern, "", serverCode: 64)))
        #expect(!goesOn(MongoError(.writeConcern, "", serverCode: 100)))
    }

    @Test func `A write that may have been done is sent again only where that does no harm`() {
        let once = Trouble.Facts(repetition: .ifNotDone)
        #expect(goesOn(MongoError(.unreachable, ""), once))
        #expect(goesOn(MongoError(.server, "", serverCode: 10107), once))
        #expect(!goesOn(MongoError(.network, ""), once))
        #expect(!goesOn(MongoError(.server, "", serverCode: 11602), once))
        #expect(!goesOn(MongoError(.writeConcern, "", serverCode: 64), once))
    }

    @Test func `Nobody waits at an address where nothing ever answered, nor for a query that is too long`() {
        #expect(!goesOn(MongoError(.unreachable, ""), .init(repetition: .always, hasAnswered: false)))
        #expect(!goesOn(MongoError(.network, ""), .init(repetition: .always, isTimeout: true)))
    }

    @Test func `Patience is counted from the first failure, with growing pauses, and trouble is told once`() {
        var trouble = Trouble(limit: .seconds(30))
        let broken = MongoError(.network, "")
        #expect(judge(broken, in: &trouble) == .goOn(after: .milliseconds(50), tells: false))
        #expect(judge(broken, after: 2, in: &trouble) == .goOn(after: .milliseconds(100), tells: true))
        #expect(judge(broken, after: 20, in: &trouble) == .goOn(after: .milliseconds(200), tells: false))
        #expect(judge(broken, after: 30, in: &trouble) == .giveUp)
    }
}
